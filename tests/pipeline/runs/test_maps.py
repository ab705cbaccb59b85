from __future__ import annotations

import numpy as np
import pytest
from tests.support.pictures import photo

from underdrawing.core.annotator import Kind
from underdrawing.core.errors import BadParameter
from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.request import Control
from underdrawing.pipeline.runs.maps import draw_hint, find_kind
from underdrawing.preprocessors import annotate

SIZE = Size(64, 96)


def test_an_annotators_map_is_made_at_the_pictures_size() -> None:
    picture = photo(100, 150)
    hint = draw_hint(Control(annotator="canny"), picture, SIZE, None, [].append)
    assert (hint.pixels == annotate("canny", picture, 64).images[0]).all()
    assert hint.values.shape == (3, *SIZE)
    assert (hint.values.min(), hint.values.max()) == (0, 1)
    assert hint.resolution == 64
    other = draw_hint(Control(annotator="canny", params={"resolution": 128}), picture, SIZE, None, [].append)
    assert other.resolution == 128
    assert other.pixels.shape == (*SIZE, 3)
    assert set(np.unique(other.pixels)) == {0, 255}


def test_what_an_inpainting_control_fills_is_minus_one() -> None:
    mask = np.zeros((128, 128), np.bool_)
    mask[:, 64:] = True
    hint = draw_hint(Control(annotator="inpaint"), photo(), Size(64, 64), mask, [].append)
    assert (hint.values[:, :, 32:] == -1).all()
    assert (hint.values[:, :, :32] >= 0).all()


def test_a_ready_map_is_fitted() -> None:
    picture = photo(64, 96)
    assert (draw_hint(Control(model="x"), picture, SIZE, None, [].append).pixels == picture).all()
    assert find_kind(Control(model="x")) is None
    assert find_kind(Control(annotator="canny")) is Kind.EDGES


@pytest.mark.parametrize("value", [-1, 0.5, "large", True])
def test_a_resolution_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(BadParameter):
        draw_hint(Control(annotator="canny", params={"resolution": value}), photo(), SIZE, None, [].append)


@pytest.mark.parametrize("params", [{name: "cpu"} for name in ("name", "device", "dtype", "backend")], ids=str)
def test_how_an_annotator_is_loaded_is_no_parameter_of_it(params: dict[str, str]) -> None:
    with pytest.raises(BadParameter, match="none of its parameters"):
        draw_hint(Control(annotator="canny", params=params), photo(64, 64), SIZE, None, [].append)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, -1, [1], True, "64", 1.5], ids=str)
def test_resolutions_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(BadParameter, match="no resolution"):
        draw_hint(Control(annotator="canny", params={"resolution": value}), photo(64, 64), SIZE, None, [].append)
