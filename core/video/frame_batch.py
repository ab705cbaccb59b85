"""A batch of pictures in memory as the frames of a clip, for hosts that pass clips on as batches."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .filters import filter_maps
from .pipeline import take_one
from .types import ClipFrame, FrameMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..annotator import Annotator, ControlMap
    from ..images.types import Images
    from .options import TemporalOptions


def filter_batch(
    parts: Iterable[ControlMap],
    images: Images,
    annotator: Annotator[Any],
    options: TemporalOptions,
    note: Callable[[str], None],
) -> Iterator[ControlMap]:
    """Maps of consecutive pictures uint8 [B, H, W, 3], each a batch of one, filtered over time. note: as `filter_maps`.

    parts: maps in order, of any number of pictures each; their notes go with the first map of each.
    """
    rate = options.frame_rate
    filtered = filter_maps(_split(parts, images, rate), annotator, annotator.defaults, options, rate=rate, note=note)
    for item in filtered:
        yield item.control_map


def _split(parts: Iterable[ControlMap], images: Images, rate: float) -> Iterator[FrameMap]:
    number, step = 0, 1 / Fraction(rate).limit_denominator(100_000)
    for part in parts:
        for index in range(len(part.images)):
            one = replace(take_one(part, index), notes=part.notes if index == 0 else ())
            yield FrameMap(ClipFrame(number, number * step, "", images[number]), one)
            number += 1
