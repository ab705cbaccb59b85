"""Annotators on scenes whose truth is known exactly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from underdrawing import annotate
from underdrawing.pipeline.reference.maps import draw_truth
from underdrawing.pipeline.reference.scoring.measures import widen
from underdrawing.pipeline.reference.world.scene import Scene, render_scene

SEEDS = (0, 1, 5, 6, 9)
SIZE = 256


@cache
def scene(seed: int) -> Scene:
    return render_scene(seed, SIZE)


def outlines(owners: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Pixels beside another thing, or beside the ground."""
    lines = np.zeros(owners.shape, np.bool_)
    lines[:, 1:] |= owners[:, 1:] != owners[:, :-1]
    lines[1:] |= owners[1:] != owners[:-1]
    return lines


@pytest.mark.parametrize(("name", "share"), [("canny", 0.8), ("hed", 0.9)])
def test_outlines_of_things_are_found(name: str, share: float) -> None:
    hits: list[float] = []
    for seed in SEEDS:
        wanted = outlines(scene(seed).owners)
        found = annotate(name, scene(seed).picture, resolution=0).images[0, ..., 0]
        threshold = max(float(np.percentile(found, 80)), 20.0)
        hits.append(float((wanted & widen(found > threshold, 2)).sum() / wanted.sum()))
    assert np.mean(hits) > share, hits


def test_canny_draws_little_on_the_open_sky() -> None:
    for seed in SEEDS:
        edges = annotate("canny", scene(seed).picture, resolution=0).images[0, ..., 0] > 0
        sky = scene(seed).classes == 2
        inside = sky & ~widen(~sky, 4)
        assert edges[inside].mean() < 0.03


def test_straight_edges_are_canny_edges() -> None:
    hits: list[float] = []
    for seed in (0, 5):
        lines = draw_truth(scene(seed), "lines")[..., 0] > 0
        edges = annotate("canny", scene(seed).picture, resolution=0, low_threshold=40, high_threshold=90).images[
            0, ..., 0
        ]
        hits.append(float((lines & widen(edges > 0, 2)).sum() / lines.sum()))
    assert np.mean(hits) > 0.8, hits


def test_the_pose_map_holds_its_people() -> None:
    for seed in (1, 9):
        body = draw_truth(scene(seed), "pose").any(-1)
        person = scene(seed).classes == 12
        assert (body & widen(person, 8)).sum() > 0.9 * body.sum()
