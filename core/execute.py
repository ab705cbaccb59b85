"""The one way a picture becomes a map: fit, pad, run, crop, check."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from .annotator import Request
from .errors import BadImage, BadParameter
from .images.convert import read_masks, to_images
from .images.geometry import Size, find_padded_size, find_target_size
from .images.resize import pad_batch, resize_images, resize_masks
from .weights.store import get_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .annotator import Annotator, ControlMap
    from .images.mask_values import Coverage
    from .images.types import Images, Masks
    from .params import Params


def annotate_images(
    annotator: Annotator[Any],
    images: Images | Sequence[Any],
    params: Params,
    *,
    resolution: int,
    masks: Masks | Sequence[Any] | None,
) -> ControlMap:
    """Run an annotator under the project's geometry; see `core.annotator.Annotator.__call__`.

    Raises BadParameter when resolution is not a whole number; BadImage when pictures differ in size or are too large,
    or a mask is missing or does not fit.
    """
    resolution = _check_resolution(resolution)
    pictures = to_images(images, max(0, resolution))
    size = find_target_size(Size(*pictures.shape[1:3]), resolution)
    prepared = _prepare_masks(annotator, pictures, masks)
    annotator.load(params)
    result = _run(annotator, pictures, None if prepared is None else prepared.covered, params, size)
    tiles = {key: result.info[key] for key in ("tiles",) if key in result.info}
    if result.images.shape != (len(pictures), *size, 3) or result.images.dtype != np.uint8:
        raise TypeError(f"{annotator.spec.id} returned {result.images.dtype} {result.images.shape} for size {size}")
    notes = (*annotator.notes, *(() if prepared is None else prepared.notes), *map(str, result.notes))
    return replace(result, info=_build_info(annotator, params, resolution) | tiles, notes=notes)


def _check_resolution(resolution: Any) -> int:
    whole: Any = int(resolution) if isinstance(resolution, float) and resolution.is_integer() else resolution
    try:
        return operator.index(whole)
    except TypeError as error:
        what = f"resolution {resolution!r} is not a whole number"
        raise BadParameter(
            what, fix="give the length of the shorter side in pixels, or 0 for the input's size"
        ) from error


def _prepare_masks(annotator: Annotator[Any], pictures: Images, masks: Masks | Sequence[Any] | None) -> Coverage | None:
    name = annotator.spec.id
    if masks is None:
        if annotator.spec.takes_mask:
            raise BadImage(
                "needs a mask of what is to be repainted", where=name, fix="give a mask, or a picture with transparency"
            )
        return None
    if not annotator.spec.takes_mask:
        raise BadImage("takes no mask", where=name, fix="leave the mask out")
    return read_masks(masks, len(pictures), Size(*pictures.shape[1:3]))


def _run(annotator: Annotator[Any], pictures: Images, masks: Masks | None, params: Params, size: Size) -> ControlMap:
    if annotator.tiles is None:
        return _run_whole(annotator, pictures, masks, params, size)
    from .tiling.ways import explain_whole, find_way

    way = find_way(annotator)
    seen = Size(*pictures.shape[1:3]) if way == "poses" else size
    if way == "whole" or max(seen) <= annotator.tiles.tile:
        result = _run_whole(annotator, pictures, masks, params, size)
        return replace(result, notes=(explain_whole(annotator), *result.notes)) if way == "whole" else result
    from .tiling.run import TiledRun

    result = TiledRun(annotator, pictures, params, size, annotator.tiles, annotator.step_tile).run(way)
    return replace(result, info={"tiles": {**msgspec.to_builtins(annotator.tiles), "join": way}})


def _run_whole(
    annotator: Annotator[Any], pictures: Images, masks: Masks | None, params: Params, size: Size
) -> ControlMap:
    if annotator.spec.input_size == "original":
        return annotator.run(Request(pictures, params, size, masks))
    padded = find_padded_size(size, annotator.spec.multiple)
    fitted = pad_batch(resize_images(pictures, size), padded)
    if masks is not None:
        masks = pad_batch(resize_masks(masks, size), padded)
    return annotator.run(Request(fitted, params, padded, masks)).crop(size)


def _build_info(annotator: Annotator[Any], params: Params, resolution: int) -> dict[str, Any]:
    return {
        "annotator": annotator.spec.id,
        "version": annotator.spec.version,
        "resolution": resolution,
        "params": msgspec.to_builtins(params),
        "weights": {weight.id: get_store().complete(weight).sha256 for weight in annotator.weights_for(params)},
        "device": str(annotator.placement),
    }
