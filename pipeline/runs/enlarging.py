"""The second pass of A1111's hires fix: how large it is, and how the first one's latents get there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image
from torch.nn import functional

from ...core.errors import UnknownName
from ...core.images.geometry import Size
from ..denoising.latents import decode, encode
from .sizes import check_size, cut_size

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.model import Model
    from ..request import Hires

LATENT = {
    "latent": ("bilinear", False),
    "latent-antialiased": ("bilinear", True),
    "latent-bicubic": ("bicubic", False),
    "latent-bicubic-antialiased": ("bicubic", True),
    "latent-nearest": ("nearest", False),
    "latent-nearest-exact": ("nearest-exact", False),
}
"""Interpolations of latents by our names: torch's mode, and whether it is antialiased."""
PICTURE = {
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
    "none": Image.Resampling.LANCZOS,
}
UPSCALERS = (*LATENT, *PICTURE)
MULTIPLE = 8
"""A1111's upscalers of pictures answer with such sizes."""


class Enlargement(NamedTuple):
    """full: what the first pass is enlarged to, in pixels, maybe no multiple of the VAE's factor. size: of the result,
    which is the middle of it."""

    full: Size
    size: Size


def plan_enlargement(size: Size, hires: Hires, factor: int) -> Enlargement:
    """Size of the second pass of pictures of a size, counted as in A1111. Raises BadParameter, UnknownName."""
    if hires.upscaler not in UPSCALERS:
        what = f"there is no upscaler {hires.upscaler!r}"
        raise UnknownName(what, where="hires", fix=f"choose {', '.join(UPSCALERS)}")
    if not hires.width and not hires.height:
        full = Size(int(size.height * hires.scale), int(size.width * hires.scale))
        found = Enlargement(full, cut_size(full, factor))
    else:
        full = _cover(size, hires)
        wanted = Size(hires.height or full.height, hires.width or full.width)
        less = [(own - asked) // factor * factor for own, asked in zip(full, wanted, strict=True)]
        kept = cut_size(full, factor)
        found = Enlargement(full, Size(kept.height - less[0], kept.width - less[1]))
    check_size(found.size)
    return found


def _cover(size: Size, hires: Hires) -> Size:
    """The smallest size of the same aspect that covers what is asked for; sides are rounded down."""
    by_width = Size(hires.width * size.height // size.width, hires.width)
    by_height = Size(hires.height, hires.height * size.width // size.height)
    if not hires.height or not hires.width:
        return by_width if hires.width else by_height
    return by_width if size.width * hires.height < size.height * hires.width else by_height


def enlarge_latents(model: Model, latents: Tensor, plan: Enlargement, upscaler: str) -> Tensor:
    """Latents of a larger picture: interpolated, or those of the picture resized; the middle of them."""
    if upscaler in LATENT:
        mode, antialias = LATENT[upscaler]
        target = (plan.full.height // model.factor, plan.full.width // model.factor)
        found = functional.interpolate(latents, target, mode=mode, antialias=antialias)
    else:
        picture = enlarge_picture(Image.fromarray(decode(model, latents)[0]), plan.full, upscaler)
        found = encode(model, np.array(picture)[None])
    height, width = plan.size.height // model.factor, plan.size.width // model.factor
    top, left = (found.shape[2] - height) // 2, (found.shape[3] - width) // 2
    return found[:, :, top : top + height, left : left + width]


def enlarge_picture(picture: Image.Image, size: Size, upscaler: str) -> Image.Image:
    """A picture of that size: enlarged by the longer side's scale, brought to multiples of 8 by Lanczos, then to size.

    All these steps are A1111's; "none" resizes once.
    """
    scale = max(size.width / picture.width, size.height / picture.height)
    if upscaler != "none" and scale > 1:
        inner = tuple(int(side * scale // MULTIPLE) * MULTIPLE for side in picture.size)
        if picture.width < inner[0] or picture.height < inner[1]:
            picture = picture.resize((int(picture.width * scale), int(picture.height * scale)), PICTURE[upscaler])
        picture = _resize(picture, *inner)
    return _resize(picture, size.width, size.height)


def _resize(picture: Image.Image, width: int, height: int) -> Image.Image:
    """By Lanczos, where it has another size."""
    return picture if picture.size == (width, height) else picture.resize((width, height), PICTURE["lanczos"])
