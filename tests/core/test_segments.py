"""Classes of a map: counted, cropped with it, written beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from underdrawing.core.annotator import ControlMap
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.writing import read_info, write_map
from underdrawing.core.segments import Classes, join_segments, recount, to_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = Classes("test", ("sky", "tree", "road", "sea"), bytes(range(12)))
LABELS = np.array([[0, 0, 2, 2], [0, 0, 2, 3]], np.uint8)


def a_map(labels: NDArray[Any] = LABELS) -> ControlMap:
    images = np.zeros((1, *labels.shape, 3), np.uint8)
    return ControlMap(images, labels[None].astype(np.float32), segments=(CLASSES.count(labels),), info={"a": 1})


def test_classes_are_counted_largest_first() -> None:
    found = to_json(CLASSES.count(LABELS))
    assert json.loads(json.dumps(found)) == {
        "dataset": "test",
        "classes": [
            {"index": 0, "name": "sky", "colour": [0, 1, 2], "share": 0.5},
            {"index": 2, "name": "road", "colour": [6, 7, 8], "share": 0.375},
            {"index": 3, "name": "sea", "colour": [9, 10, 11], "share": 0.125},
        ],
    }


@given(arrays(np.uint8, (5, 7), elements=st.integers(0, 3)), st.integers(1, 5), st.integers(1, 7))
def test_a_cropped_map_counts_what_is_left(labels: NDArray[np.uint8], height: int, width: int) -> None:
    cropped = a_map(labels).crop(Size(height, width))
    assert cropped.segments is not None
    assert cropped.segments == (CLASSES.count(labels[:height, :width]),)
    assert sum(segment.share for segment in cropped.segments[0].classes) == pytest.approx(1)


def test_an_uncropped_map_keeps_its_classes() -> None:
    made = a_map()
    assert made.crop(Size(2, 4)).segments == made.segments
    assert made.values is not None
    assert made.segments == (recount(CLASSES.count(LABELS), made.values[0]),)


def test_parts_of_a_run_are_joined() -> None:
    one, two = (CLASSES.count(labels) for labels in (LABELS, LABELS[:1]))
    assert join_segments([(one,), (two, one)]) == (one, two, one)
    assert join_segments([None, None]) is None


def test_labels_are_written_unscaled_and_classes_as_json(tmp_path: Path) -> None:
    paths = write_map(a_map(), 0, tmp_path, "x", values=True, json=True)
    assert [path.name for path in paths] == ["x.png", "x.npy", "x.values.png", "x.json"]
    assert np.array_equal(np.load(tmp_path / "x.npy"), LABELS)
    with Image.open(tmp_path / "x.values.png") as opened:
        grey = np.asarray(opened)
    assert grey.dtype == np.uint16
    assert np.array_equal(grey, LABELS)
    assert read_info(tmp_path / "x.values.png") == {
        "a": 1,
        "range": [0, 65535],
    }  # value = low + (high - low) * grey / 65535
    assert json.loads((tmp_path / "x.json").read_text()) == json.loads(json.dumps(to_json(CLASSES.count(LABELS))))


def test_one_class_alone_keeps_its_index(tmp_path: Path) -> None:
    write_map(a_map(np.full((3, 3), 2, np.uint8)), 0, tmp_path, "x", values=True)
    with Image.open(tmp_path / "x.values.png") as opened:
        assert (np.asarray(opened) == 2).all()
