from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from underdrawing.pipeline.reference.scoring import measures

FLAGS = arrays.arrays(np.bool_, (1, 9, 9))


@given(FLAGS)
def test_edges_agree_with_themselves(flags: measures.Flags) -> None:
    assert measures.measure_edges(flags, flags) == pytest.approx(1)


@given(FLAGS, FLAGS)
def test_edges_are_symmetric_and_grow_with_tolerance(a: measures.Flags, b: measures.Flags) -> None:
    one = measures.measure_edges(a, b)
    assert 0 <= one <= 1
    assert one == pytest.approx(measures.measure_edges(b, a))
    assert measures.measure_edges(a, b, tolerance=2) >= one - 1e-9


def test_a_line_one_pixel_off_counts() -> None:
    a, b, c = (np.zeros((1, 9, 9), np.bool_) for _ in range(3))
    a[0, 4], b[0, 5], c[0, 7] = True, True, True
    assert measures.measure_edges(a, b) == pytest.approx(1)
    assert measures.measure_edges(a, c) == 0
    assert measures.measure_edges(a, b, tolerance=0) == 0


def test_widening_is_square() -> None:
    dot = np.zeros((5, 5), np.bool_)
    dot[2, 2] = True
    assert measures.widen(dot, 1).sum() == 9
    assert measures.widen(dot, 2).all()


def test_depth() -> None:
    wanted = np.array([[[0.5, 0.0]]])
    scores = measures.measure_depth(np.array([[[0.6, 0.1]]]), wanted)
    assert scores == pytest.approx({"rmse": 0.1, "abs_rel": 0.2})


def test_classes_that_are_nowhere_do_not_count() -> None:
    wanted = np.array([[[1, 1], [2, 2]]])
    assert measures.measure_classes(wanted, wanted) == 1
    found = np.array([[[1, 1], [2, 5]]])
    assert measures.measure_classes(found, wanted) == pytest.approx((1 + 0.5) / 2)


def test_joints_are_found_within_a_tenth_of_the_person() -> None:
    wanted = np.full((1, 18, 2), np.nan)
    wanted[0, :2] = (10, 10), (10, 50)
    found = wanted.copy()
    found[0, 0] += 3.9
    assert measures.measure_joints(found, wanted) == 0.5, "5.5 pixels off, of 4"
    found[0, 0] = 10, 13
    assert measures.measure_joints(found, wanted) == 1


def test_strokes_are_compared_to_the_pixel() -> None:
    one, other, none = np.zeros((1, 4, 8), np.bool_), np.zeros((1, 4, 8), np.bool_), np.zeros((1, 4, 8), np.bool_)
    one[0, :, :4], other[0, :, 1:5] = True, True
    assert measures.measure_strokes(one, other) == pytest.approx(12 / 20)
    assert measures.measure_strokes(one, one) == measures.measure_strokes(none, none) == 1
    assert measures.measure_strokes(one, none) == 0
    assert measures.measure_edges(one, other) == 1, "within a pixel wide strokes are the same"


def test_only_what_was_kept_is_compared() -> None:
    picture = np.full((1, 2, 2, 3), 100, np.uint8)
    other = picture.copy()
    other[0, 0, 0] = 0
    other[0, 1, 1] = 103
    mask = np.zeros((1, 2, 2), np.bool_)
    mask[0, 0, 0] = True
    assert measures.measure_outside(other, picture, mask) == pytest.approx(1)


def test_attributes_that_are_not_asked_do_not_count() -> None:
    found, wanted = np.array([0, 1, 2]), np.array([0, -1, 1])
    assert measures.measure_attributes({"pose": found}, {"pose": wanted}) == {"pose": 0.5}


def test_what_two_controls_keep() -> None:
    assert measures.compare_together({"measure": "f1", "on": 0.8}, 0.72)["of_alone"] == pytest.approx(0.9)
    assert measures.compare_together({"measure": "rmse", "on": 0.05}, 0.1)["of_alone"] == pytest.approx(0.5)


def test_gains_of_scores_and_of_errors() -> None:
    assert measures.compare("f1", 0.25, 0.75, 1.0)["gain"] == pytest.approx(3)
    assert measures.compare("f1", 0.25, 0.75, 1.0)["of_ceiling"] == pytest.approx(0.75)
    error = measures.compare("rmse", 0.15, 0.05, 0.04)
    assert (error["gain"], error["of_ceiling"]) == (pytest.approx(3), pytest.approx(0.8))


def test_skill_is_the_share_of_what_could_be_gained() -> None:
    assert measures.compare("f1", 0.25, 0.75, 1.0)["skill"] == pytest.approx(2 / 3)
    assert measures.compare("rmse", 0.15, 0.05, 0.04)["skill"] == pytest.approx(10 / 11)
    assert measures.compare("rmse", 0.04, 0.05, 0.04)["skill"] == 0
