"""An annotator over a batch of pictures inside a host: chunks, progress, interruption, notes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..annotator import ControlMap
from ..errors import WeightsMissing
from ..images.geometry import Size, find_target_size
from ..networks.batching import find_chunk_length
from ..segments import join_segments
from ..tiling.options import describe_tile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..annotator import Annotator
    from ..hooks import HostHooks
    from ..images.types import Images, Masks
    from ..params import Value
    from ..progress import Progress
    from ..registry import AnnotatorType
    from ..tiling.options import TileOptions
    from ..video.options import TemporalOptions


def annotate_batch(
    annotator: AnnotatorType,
    images: Images,
    values: dict[str, Value],
    host: HostHooks,
    *,
    resolution: int,
    masks: Masks | Sequence[Any] | None = None,
    note: str = "",
    over_time: TemporalOptions | None = None,
    tiles: TileOptions | None = None,
) -> ControlMap:
    """Maps of pictures uint8 [B, H, W, 3]; the host can interrupt after every picture (every stack, on GPUs).

    masks: bool or float32 [B or 1, H, W, 1], one for all or one for each. note: goes with the maps, and to the host.
    over_time: the pictures are the frames of a clip, and their maps are filtered so; None: they have nothing in common.
    tiles: in which maps that are larger are made; the host can then interrupt after every tile, too.
    Raises what `core.annotator.Annotator` raises; missing weights say what the host's user can do.
    """
    try:
        ready = _load(annotator, values, host)
        ready.tiles = tiles
        parts = _parts(ready, images, masks, resolution, host)
        if over_time is not None:
            from ..video.frame_batch import filter_batch

            parts = filter_batch(parts, images, ready, over_time, host.note)
        return _join(list(parts), note, host)
    except WeightsMissing as error:
        raise host.explain_missing(error) from error


def _load(annotator: AnnotatorType, values: dict[str, Value], host: HostHooks) -> Annotator[Any]:
    if not annotator.spec.weights:
        return annotator.create(annotator.params(**values))
    host.adopt_networks()
    return annotator.create(annotator.params(**values), device=host.device())


def _parts(
    annotator: Annotator[Any],
    images: Images,
    masks: Masks | Sequence[Any] | None,
    resolution: int,
    host: HostHooks,
) -> Iterator[ControlMap]:
    size = find_target_size(Size(*images.shape[1:3]), resolution)
    seen = size if annotator.tiles is None else [min(side, annotator.tiles.tile) for side in size]
    length = find_chunk_length(annotator.placement, *seen)
    with host.progress(annotator.spec.id, len(images), "pictures") as progress:
        for start in range(0, len(images), length):
            annotator.step_tile = partial(_step_tile, progress, start, len(images))
            progress(start, len(images))
            chunk = images[start : start + length]
            own = masks if masks is None or len(masks) == 1 else masks[start : start + length]
            part = annotator(chunk, resolution=resolution, masks=own)
            for note in part.notes:
                host.note(f"{annotator.spec.id}, from picture {start + 1} of {len(images)}: {note}")
            yield part
        progress(len(images), len(images))


def _step_tile(progress: Progress, picture: int, pictures: int, done: int, total: int) -> None:
    progress(picture, pictures, describe_tile(done, total))


def _join(parts: list[ControlMap], note: str, host: HostHooks) -> ControlMap:
    if note:
        host.note(note)
    notes = [*([note] if note else []), *(text for part in parts for text in part.notes)]
    values = [part.values for part in parts if part.values is not None]
    return ControlMap(
        np.concatenate([part.images for part in parts]),
        np.concatenate(values) if values else None,
        None if parts[0].poses is None else tuple(pose for part in parts for pose in part.poses or ()),
        join_segments([part.segments for part in parts]),
        notes=tuple(dict.fromkeys(notes)),
    )
