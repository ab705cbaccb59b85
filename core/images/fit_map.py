"""Fits a finished map to the size a host generates at.

Behaviour of A1111's ControlNet extension (`Script.detectmap_proc`), written anew. Where it differs, on purpose:
* "binary" also asks that both colours are grey, so a red and black map stays red and black;
* a map declared not smooth (class colours, poses) is never interpolated, not even with two colours or above 199;
* one-pixel edges are thinned with the two-pass rule of Guo and Hall until nothing changes, in place of that extension's
  own kernels, 32 rounds and pruning, and ridges are looked for only where the map shrinks (on enlarged diagonals
  they tear lines into chains of holes); the lines stay one pixel wide (a few corners two) and connected. Thinning
  must take a side where a line is an even number of pixels wide: such lines end half a pixel up and left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from .geometry import FitMode, Size, plan_fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]

FEW = 199
"""Most colours a map of classes or drawn strokes is thought to have."""
_AXES = (
    np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], np.uint8),
    np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]], np.uint8),
    np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8),
    np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.uint8),
)


def fit_map(image: U8, target: Size, mode: FitMode, *, smooth: bool = True) -> U8:
    """Bring uint8 [H, W, 3] to target: stretch ("just"), cover and crop ("crop"), contain and fill ("fill").

    smooth: whether the map may be interpolated (Spec.smooth). Bars are filled with the median of the map's border.
    """
    scaled_size, top, left = plan_fit(Size(*image.shape[:2]), target, mode)
    scaled = resize_map(image, scaled_size, smooth=smooth)
    if mode == "fill" and scaled_size != target:
        canvas = np.empty((*target, 3), np.uint8)
        canvas[:] = find_border_colour(image)
        canvas[top : top + scaled_size.height, left : left + scaled_size.width] = scaled
        return canvas
    return np.ascontiguousarray(scaled[-top : target.height - top, -left : target.width - left])


def find_border_colour(image: U8) -> U8:
    """Median per channel of the four border lines (corners count twice), cut to a whole number."""
    lines = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.median(lines, axis=0).astype(np.uint8)


def resize_map(image: U8, size: Size, *, smooth: bool = True) -> U8:
    """Resize uint8 [H, W, 3] by what it shows.

    Two greys, nearly black and nearly white: interpolated and cut at Otsu's threshold, one-pixel lines thinned again.
    Not smooth, or 3 to 199 colours: nearest. Otherwise AREA where the area shrinks, CUBIC where it does not.
    """
    if image.shape[:2] == tuple(size):
        return image
    colours = count_colours(image, FEW)
    if colours == 2 and _is_black_and_white(image):
        return _resize_binary(image[..., 0], size)
    if not smooth or 2 < colours <= FEW:
        return _resize(image, size, cv2.INTER_NEAREST)
    return _resize(image, size, _choose_method(image, size))


def count_colours(image: U8, limit: int) -> int:
    """Count the distinct colours of [H, W, 3], giving up above limit (the answer is then limit + 1)."""
    wide = image.reshape(-1, 3).astype(np.uint32)
    rest = wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]
    seen = np.zeros(1 << 24, np.bool_)
    count = 0
    while rest.size and count <= limit:
        found = np.unique(rest[:: max(1, rest.size // 4096)])
        count += found.size
        seen[found] = True
        rest = rest[~seen[rest]]
    return min(count, limit + 1)


def _is_black_and_white(image: U8) -> bool:
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all())
    return grey and int(image.min()) < 16 and int(image.max()) > 240


def _choose_method(image: NDArray[Any], size: Size) -> int:
    return cv2.INTER_AREA if size.height * size.width < image.shape[0] * image.shape[1] else cv2.INTER_CUBIC


def _resize(image: U8, size: Size, method: int) -> U8:
    return np.asarray(cv2.resize(image, (size.width, size.height), interpolation=method), np.uint8)


def _resize_binary(grey: U8, size: Size) -> U8:
    lines = is_one_pixel_edge(grey)
    moved = _resize(grey, size, _choose_method(grey, size))
    if lines and size.height <= grey.shape[0] and size.width <= grey.shape[1]:
        moved = find_ridges(moved)
    _, cut = cv2.threshold(moved, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    white = thin_lines(cut > 0) if lines else cut > 0
    return np.repeat(white.astype(np.uint8)[..., None] * np.uint8(255), 3, axis=2)


def is_one_pixel_edge(grey: U8) -> bool:
    """Whether more than half of the white disappears when it is opened by 3 x 3."""
    opened = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    return int((opened < grey).sum()) * 2 > int((grey > 127).sum())


def find_ridges(grey: U8) -> U8:
    """Keep what is a maximum of three along at least one of four directions, the rest becomes 0."""
    kept = np.zeros_like(grey)
    for axis in _AXES:
        np.copyto(kept, grey, where=np.asarray(cv2.dilate(grey, axis)) == grey)
    return kept


def thin_lines(white: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin [H, W] to lines of one pixel, keeping what hangs together (Guo and Hall 1989)."""
    pixels = np.pad(white.astype(np.uint8), 1)
    while True:
        before = int(pixels.sum())
        for removable in _REMOVABLE:
            # the weights number the eight neighbours clockwise from the upper one; the table says which patterns may go
            code = np.asarray(cv2.filter2D(pixels, cv2.CV_16S, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT), np.intp)
            pixels[removable[code] & (pixels > 0)] = 0
        if int(pixels.sum()) == before:
            return pixels[1:-1, 1:-1] > 0


_NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)


def _build_removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tables over the 256 neighbourhoods for the two passes of Guo and Hall."""
    set_ = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.bool_)
    n, ne, e, se, s, sw, w, nw = (set_[:, at] for at in range(8))
    arms = [(n, ne | e), (e, se | s), (s, sw | w), (w, nw | n)]
    crossings = np.sum([~edge & after for edge, after in arms], axis=0)
    pairs = [np.sum(group, axis=0) for group in ((nw | n, ne | e, se | s, sw | w), (n | ne, e | se, s | sw, w | nw))]
    count = np.minimum(*pairs)
    base = (crossings == 1) & (count >= 2) & (count <= 3)
    return base & ~((s | sw | ~nw) & w), base & ~((n | ne | ~se) & e)


_REMOVABLE = _build_removable()
