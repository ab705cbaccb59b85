"""Runs an annotator over a batch as a node does. Imported lazily (needs numpy and torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.annotator import ControlMap
from ..core.errors import WeightsMissing
from ..core.images.geometry import Size, target_size
from ..core.networks.batching import chunk_length
from ..core.segments import joined
from . import host, pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..core.annotator import Annotator
    from ..core.params import Value
    from ..core.registry import AnnotatorType


def run(
    annotator: AnnotatorType,
    image: Tensor,
    values: dict[str, Value],
    resolution: int,
    mask: Tensor | None = None,
    note: str = "",
) -> ControlMap:
    """Map of a batch: progress and interruption after every picture (every stack, on graphics cards).

    note: goes with the map, and into the log.

    Raises what `core.annotator.Annotator` raises; missing weights are told with this host's folder and node.
    """
    images = pictures.arrays(image)
    masks = None if mask is None else pictures.mask_arrays(mask)
    try:
        return _joined(_parts(_ready(annotator, values), images, masks, resolution), note)
    except WeightsMissing as error:
        raise _told(error) from error


def _ready(annotator: AnnotatorType, values: dict[str, Value]) -> Annotator[Any]:
    if annotator.spec.weights:
        host.adopt_networks()
    where = host.device() if annotator.spec.weights else "auto"
    ready = annotator.ready(annotator.params(**values), device=where)
    if annotator.spec.weights:
        host.log.debug("%s runs on %s", annotator.spec.id, ready.placement)
    return ready


def _parts(annotator: Annotator[Any], images: Any, masks: Any, resolution: int) -> Iterator[ControlMap]:
    size = target_size(Size(*images.shape[1:3]), resolution)
    length, tick = chunk_length(annotator.placement, *size), host.progress(len(images))
    for start in range(0, len(images), length):
        host.check_interrupted()
        some = images[start : start + length]
        own = masks if masks is None or len(masks) == 1 else masks[start : start + length]
        part = annotator(some, resolution=resolution, masks=own)
        for note in part.notes:
            host.log.warning("%s, from picture %d of %d: %s", annotator.spec.id, start + 1, len(images), note)
        yield part
        tick(len(some))


def _joined(parts: Iterator[ControlMap], note: str) -> ControlMap:
    every = list(parts)
    notes = [note] if note else []
    notes += [told for part in every for told in part.notes]
    if note:
        host.log.warning("%s", note)
    values = [part.values for part in every if part.values is not None]
    poses = [pose for part in every for pose in part.poses or ()]
    return ControlMap(
        np.concatenate([part.images for part in every]),
        np.concatenate(values) if values else None,
        tuple(poses) if every[0].poses is not None else None,
        joined([part.segments for part in every]),
        notes=tuple(dict.fromkeys(notes)),
    )


def _told(error: WeightsMissing) -> WeightsMissing:
    if "weights fetch" not in error.fix:
        return error
    folders = host.paths().get_folder_paths(host.FOLDER)
    # a file that is not pinned has to be declared, wherever it lies
    place = "" if "--as" in error.fix else f"or put the file into {folders[0]}, "
    also = f"{place}or let the node `Fetch weights (Underdrawing)` fetch what is missing"
    return WeightsMissing(error.what, where=error.where, fix=f"{error.fix}, {also}")
