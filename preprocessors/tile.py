"""Picture with less detail, for tile models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, between
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNCHANGED_BELOW = 1.1
"""Rates below this leave the picture as it is (A1111)."""


WIDGETS = (number("pyrUp_iters", 3, 1, 10, "pyramid"), RESOLUTION)


class TileParams(Params, frozen=True):
    """How much detail is taken out, by one of two methods."""

    down_sampling_rate: Annotated[
        float, between(1, 8, "Factor by which detail is coarsened; below 1.1 the picture stays as it is", step=0.01)
    ] = 1.0
    pyramid: Annotated[
        int, between(0, 10, "Halvings undone by a smooth pyramid (ComfyUI's pyrUp_iters); 0 leaves it to the rate")
    ] = 0


class Tile(Annotator[TileParams]):
    """The picture with its fine detail removed, which a tile model invents anew.

    The rate counts in pixels of the map: the map is shrunk by averaging and enlarged again bicubically. A1111 shrinks
    the input instead and leaves the enlarging to the generation; the map here always has the size it was asked for.
    `pyramid` is smoother. ComfyUI's moves the picture by 2 ** (pyramid - 1) pixels, this one leaves it in place.
    """

    spec = Spec(
        id="tile",
        title="Tile",
        kind=Kind.TILE,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="lllyasviel/ControlNet-v1-1-nightly; Mikubill/sd-webui-controlnet",
        aliases=(
            Alias("tile_resample", "a1111"),
            Alias("tile_colorfix", "a1111"),
            Alias("tile_colorfix+sharp", "a1111"),
            Alias("TilePreprocessor", "comfyui", {"pyramid": 3}, "Tile", WIDGETS),
        ),
        consumers=(
            "control_v11f1e_sd15_tile",
            "xinsir/controlnet-tile-sdxl-1.0",
            "SDXL union ProMax, type 6",
            *list_controls("tile", "low quality"),
        ),
    )

    def run(self, request: Request[TileParams]) -> ControlMap:
        """Coarse pictures."""
        import cv2

        from .maps.filters import apply_each, coarsen

        params = request.params
        if params.pyramid:
            return ControlMap(apply_each(request.images, lambda picture: _smooth(picture, params.pyramid)))
        if params.down_sampling_rate < UNCHANGED_BELOW:
            return ControlMap(request.images.copy())
        rate = params.down_sampling_rate
        return ControlMap(apply_each(request.images, lambda picture: coarsen(picture, rate, cv2.INTER_CUBIC)))


def _smooth(picture: NDArray[Any], pyramid: int) -> NDArray[Any]:
    """Shrink by 2 ** pyramid (to one pixel at least), double again and put every pixel back over its own place."""
    import cv2

    height, width = picture.shape[:2]
    halvings = min(pyramid, min(height, width).bit_length() - 1)
    factor = 2**halvings
    cells = max(1, round(width / factor)), max(1, round(height / factor))
    small = cv2.resize(picture, cells, interpolation=cv2.INTER_AREA)
    large = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    for _ in range(halvings):
        large = cv2.pyrUp(large)
    # pyrUp leaves cell x at factor * x, but its centre is (factor - 1) / 2 further on: half a pixel and a whole number.
    large = cv2.blur(large, (2, 2), anchor=(1, 1))
    start = factor // 2 + 1
    placed = large[start : start + cells[1] * factor, start : start + cells[0] * factor]
    return cv2.resize(placed, (width, height), interpolation=cv2.INTER_LINEAR)
