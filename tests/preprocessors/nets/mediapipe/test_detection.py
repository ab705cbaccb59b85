"""Anchors, decoding and suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.preprocessors.nets.mediapipe import bodies, faces, hands
from underdrawing.preprocessors.nets.mediapipe.bodies import refine_keypoints
from underdrawing.preprocessors.nets.mediapipe.detection import (
    Detections,
    build_anchors,
    compute_iou,
    decode_detections,
    suppress_overlaps,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize(
    ("size", "strides", "count"),
    [(224, bodies.STRIDES, 2254), (192, hands.STRIDES, 2016), (128, faces.STRIDES, 896)],
)
def test_there_are_as_many_anchors_as_rows(size: int, strides: tuple[int, ...], count: int) -> None:
    made = build_anchors(size, strides)
    assert made.shape == (count, 2)
    assert made.dtype == np.float32
    assert 0 < made.min() < made.max() < 1


def test_anchors_run_along_rows() -> None:
    assert build_anchors(16, (8,)).tolist() == [[x, y] for y in (0.25, 0.75) for x in (0.25, 0.75) for _ in range(2)]


@given(st.integers(0, 895), st.floats(-40, 40), st.floats(-40, 40), st.floats(1, 100), st.floats(1, 100))
def test_decoding_undoes_encoding(row: int, x: float, y: float, width: float, height: float) -> None:
    centres = build_anchors(128, faces.STRIDES)
    boxes = np.zeros((896, 6), np.float32)
    boxes[row] = (x, y, width, height, x + 3, y - 5)
    scores = np.full((896, 1), -200, np.float32)
    scores[row] = 200
    found = decode_detections(boxes, scores, centres, 128, 0.5)
    assert found.scores.tolist() == [1]
    middle = centres[row] * 128 + (x, y)
    half = (width / 2, height / 2)
    expected = [np.subtract(middle, half), np.add(middle, half), np.add(middle, (3, -5))]
    assert np.abs(found.points[0] * 128 - np.array(expected)).max() < 1e-3


def test_nothing_above_the_threshold_is_no_find() -> None:
    found = decode_detections(
        np.zeros((896, 16), np.float32), np.zeros((896, 1), np.float32), build_anchors(128, (8, 16, 16, 16)), 128, 0.6
    )
    assert found.points.shape == (0, 8, 2)
    assert len(suppress_overlaps(found, 0.3).scores) == 0


boxes = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(1, 50), st.floats(1, 50))
finds = st.lists(st.tuples(st.floats(0.1, 1), boxes), min_size=1, max_size=12)


def detections(rows: list[tuple[float, tuple[float, float, float, float]]]) -> Detections:
    points = [[(x, y), (x + w, y + h), (x + w / 2, y + h / 2)] for _, (x, y, w, h) in rows]
    return Detections(np.array([s for s, _ in rows], np.float32), np.array(points, np.float32))


@given(finds)
def test_suppression_keeps_the_best_and_no_order_matters(
    rows: list[tuple[float, tuple[float, float, float, float]]],
) -> None:
    unique = list({round(s, 3): (round(s, 3), box) for s, box in rows}.values())
    one = suppress_overlaps(detections(unique), 0.3)
    other = suppress_overlaps(detections(unique[::-1]), 0.3)
    assert np.allclose(one.points, other.points, atol=1e-3)
    assert (np.diff(one.scores) <= 0).all()
    assert one.scores[0] == pytest.approx(max(s for s, _ in unique))
    assert len(one.scores) <= len(unique)


def test_suppression_takes_the_weighted_mean() -> None:
    found = suppress_overlaps(detections([(0.9, (0, 0, 10, 10)), (0.6, (1, 0, 10, 10)), (0.5, (40, 40, 5, 5))]), 0.3)
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    assert found.points[0, 0].tolist() == pytest.approx([0.4, 0])
    assert found.points[1, 2].tolist() == pytest.approx([42.5, 42.5])


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    def box(t: tuple[float, ...]) -> NDArray[np.float32]:
        return np.array([[t[0], t[1]], [t[0] + t[2], t[1] + t[3]]], np.float32)

    one, other = compute_iou(box(a), box(b)[None])[0], compute_iou(box(b), box(a)[None])[0]
    assert one == pytest.approx(other, abs=1e-5)
    assert 0 <= one <= 1 + 1e-5
    assert compute_iou(box(a), box(a)[None])[0] == pytest.approx(1, abs=1e-5)


def test_a_sure_heat_map_draws_its_point() -> None:
    heat = np.full((2, 64, 64), -20, np.float32)
    heat[0, 31, 33] = 10
    points = refine_keypoints(np.array([[0.5, 0.5], [0.5, 0.5]], np.float32), heat)
    assert points[0].tolist() == pytest.approx([33 / 64, 31 / 64], abs=1e-4)
    assert points[1].tolist() == [0.5, 0.5]


def test_points_beyond_the_heat_map_stay() -> None:
    heat = np.full((3, 8, 8), 10, np.float32)
    outside = np.array([[-0.1, 0.5], [0.5, 1.0], [3, 3]], np.float32)
    assert np.array_equal(refine_keypoints(outside, heat), outside)
