"""Maps of clips with known motion are steadier than frame by frame; benchmarks/video.py measures how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.clips import PlainOutlines, UnsteadyDepth, create, map_items, spec_of
from tests.support.rendered_clips import disturb, measure_warp_error, pass_by, turn_camera

from underdrawing.core.annotator import ControlMap, Kind
from underdrawing.core.video.filters import filter_maps
from underdrawing.core.video.options import TemporalOptions

if TYPE_CHECKING:
    from collections.abc import Callable


def run(annotator: Any, pictures: list[Any], maps: list[ControlMap], **options: Any) -> list[Any]:
    items = map_items(pictures, maps)
    chosen = TemporalOptions(**options)
    made = filter_maps(items, annotator, annotator.defaults, chosen, rate=25, note=print)
    return [item.control_map.images[0, ..., 0] for item in made]


@pytest.mark.parametrize("render", [turn_camera, pass_by])
def test_depth_is_steadier(render: Callable[[int, int], Any]) -> None:
    clip, rng = list(render(8, 64)), np.random.default_rng(0)
    motions, pictures = [frame.motion for frame in clip], [frame.picture for frame in clip]
    annotator = create(UnsteadyDepth)
    values = [disturb(frame.nearness, rng)[None] for frame in clip]
    blank = np.zeros((1, 64, 64, 3), np.uint8)
    maps = [ControlMap(blank, one) for one in values]
    settings: list[dict[str, Any]] = [{"depth_range": "running"}, {}, {"temporal_median": 1}]
    running, whole, median = (
        measure_warp_error(run(annotator, pictures, maps, **options), motions) for options in settings
    )
    spans = [annotator.find_span(one[0], None) for one in values]
    alone = measure_warp_error(
        [annotator.render_span(v, None, s)[0, ..., 0] for v, s in zip(values, spans, strict=True)], motions
    )
    assert running < alone
    assert whole < 0.95 * alone
    assert median < 0.8 * whole


def test_soft_edges_are_steadier() -> None:
    clip, rng = list(turn_camera(7, 64)), np.random.default_rng(0)
    motions, pictures = [frame.motion for frame in clip], [frame.picture for frame in clip]
    edges = [np.abs(np.diff(one.astype(int), axis=1, prepend=0)) for one in pictures]
    noisy = [np.clip(edge + rng.normal(0, 12, edge.shape), 0, 255).astype(np.uint8) for edge in edges]
    maps = [ControlMap(one[None]) for one in noisy]
    alone, one, two = (
        measure_warp_error(run(create(PlainOutlines), pictures, maps, temporal_median=reach), motions)
        for reach in (0, 1, 2)
    )
    assert one < 0.75 * alone
    assert two < one


def test_other_kinds_and_options_that_are_off_change_nothing() -> None:
    class Segments(PlainOutlines):
        spec = spec_of(Kind.SEGMENTATION)

    pictures = [np.full((32, 32, 3), level, np.uint8) for level in (0, 90, 250)]
    maps = [ControlMap(one[None]) for one in pictures]
    for annotator, reach in ((Segments, 2), (PlainOutlines, 0)):
        made = run(create(annotator), pictures, maps, temporal_median=reach)
        assert [int(one.max()) for one in made] == [0, 90, 250]
