"""Annotators whose maps a filter over time changes can make them again: the same map from the same poses or values."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from tests.support.clips import person_at

from underdrawing.core.annotator import Kind, Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.core.poses.model import Pose
from underdrawing.core.video.redrawing import PoseDrawing, SpanRendering
from underdrawing.preprocessors import registry

NETWORKS = {
    "depth_dav1": ("depth_anything", "estimate"),
    "depth_dav2": ("depth_anything", "estimate"),
    "depth_leres": ("leres", "estimate_distance"),
    "depth_midas": ("dpt_hybrid", "estimate_disparity"),
    "depth_zoe": ("zoedepth", "estimate_metres"),
}
"""Annotator of depth → module and function that gives its values."""
CHOICES: dict[str, list[dict[str, Any]]] = {
    "depth_dav2": [{}, {"model": "small_indoor"}],
    "depth_leres": [{}, {"remove_near": 10.0, "remove_background": 20.0}],
    "depth_zoe": [{}, {"gamma_corrected": True}],
}


def of_kind(kind: Kind) -> list[Any]:
    return [pytest.param(annotator, id=annotator.spec.id) for annotator in registry if annotator.spec.kind is kind]


@pytest.mark.parametrize("annotator", of_kind(Kind.POSE))
def test_poses_can_be_drawn_again(annotator: Any) -> None:
    params = annotator.params()
    made = annotator(Placement(), params)
    assert isinstance(made, PoseDrawing)
    people, animals = (person_at(40, 50, 60),), (person_at(90, 50, 60).body[:17],)
    images = made.draw_poses((Pose(people, 130, 100, animals), Pose((), 130, 100)), params)
    assert (images.shape, images.dtype) == ((2, 100, 130, 3), np.uint8)
    assert images[0].any()
    assert not images[1].any()


@pytest.mark.parametrize("annotator", of_kind(Kind.DEPTH))
def test_a_map_of_depth_is_that_of_its_own_range(annotator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, function = NETWORKS[annotator.spec.id]
    package = annotator.__module__.rpartition(".")[0]
    network = import_module(f"{package}.nets.{module}")
    values = np.random.default_rng(0).gamma(2, 3, (2, 20, 30)).astype(np.float32)
    values[1] = values[1] * 7 - 3

    def estimate(*_: Any, **__: Any) -> Any:
        return values

    monkeypatch.setattr(network, function, estimate)
    for given in CHOICES.get(annotator.spec.id, [{}]):
        params = annotator.params(**given)
        made = annotator(Placement(), params)
        result = made.run(Request(np.zeros((2, 20, 30, 3), np.uint8), params, Size(20, 30)))
        assert isinstance(made, SpanRendering)
        for index, plane in enumerate(values):
            again = made.render_span(values[index : index + 1], params, made.find_span(plane, params))
            assert np.array_equal(again[0], result.images[index])
        wide = made.render_span(values, params, (-10000.0, 10000.0))
        assert np.ptp(wide) < 10
        assert not made.render_span(values, params, (3.0, 3.0)).any()
