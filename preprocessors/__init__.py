"""One file per annotator; `registry` finds them, `annotate` and `load_annotator` use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.params import current_values
from ..core.registry import Registry
from ..core.tiling.options import choose_tiles
from ._absent import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from ..core.annotator import Annotator, ControlMap
    from ..core.images.types import Images, Masks
    from ..core.params import Params, Value

registry = Registry(__name__, absent=ABSENT)


def load_annotator(
    name: str,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    backend: str = "torch",
    tile: int = 0,
    overlap: int = 64,
    **params: Value,
) -> Annotator[Any]:
    """Make an annotator ready for use: ``load_annotator("softedge_hed")(image, resolution=768)``.

    name: an id or any alias users know from A1111, ComfyUI or controlnet_aux; an alias brings its parameters along.
    tile, overlap: options of `core.tiling.options`: maps that are larger than a tile are made tile by tile. params:
    replace the defaults of later calls. Every map has a note where the name means another network elsewhere, and where
    a parameter is given under an earlier name.

    Raises UnknownName, BadParameter, MissingExtra, WeightsMissing.
    """
    resolved = registry.resolve(name)
    kind, where = resolved.annotator.params_type, resolved.annotator.spec.id
    values, notes = current_values(kind, params, where=where)
    defaults: Params = resolved.annotator.params(**{**resolved.presets, **values})
    annotator = resolved.annotator.create(defaults, device=str(device), dtype=str(dtype), backend=backend)
    annotator.tiles = choose_tiles(tile, overlap)
    annotator.notes = (*([resolved.note] if resolved.note else []), *notes)
    return annotator


def annotate(
    name: str,
    images: Images | Sequence[Any] | Any,
    resolution: int = 512,
    *,
    masks: Masks | Sequence[Any] | Any | None = None,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    backend: str = "torch",
    tile: int = 0,
    overlap: int = 64,
    **params: Value,
) -> ControlMap:
    """Make control maps: ``annotate("canny", image, resolution=512, low_threshold=50)``.

    images: a path, PIL image, array or tensor, or a list of such of one size; see `core.images.convert.to_images`.
    resolution: length of the map's shorter side in pixels, 0 for the input's own size.
    masks: what is to be repainted, for annotators that take a mask. tile, overlap: as in `load_annotator`. params:
    fields of the annotator.

    Raises UnknownName, BadParameter, BadImage, MissingExtra, WeightsMissing.
    """
    annotator = load_annotator(name, device=device, dtype=dtype, backend=backend, tile=tile, overlap=overlap, **params)
    return annotator(images, resolution=resolution, masks=masks)
