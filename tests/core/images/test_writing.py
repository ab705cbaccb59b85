from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.annotator import ControlMap
from underdrawing.core.errors import BadImage, WriteFailed
from underdrawing.core.images.writing import encode_png, read_info, write_map

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

INFO: dict[str, Any] = {
    "annotator": "canny",
    "version": 2,
    "params": {"low": 100, "sigma": 0.1, "what": "äß 日本"},
    "weights": {"repo/file": "00" * 32},
}
RNG = np.random.default_rng(3)


def a_map(values: NDArray[np.float32] | None = None, size: tuple[int, int] = (9, 14)) -> ControlMap:
    images = RNG.integers(0, 256, (2, *size, 3)).astype(np.uint8)
    return ControlMap(images=images, values=values, info=INFO)


def test_pictures_come_back(tmp_path: Path) -> None:
    made = a_map()
    assert write_map(made, 1, tmp_path, "cat.canny") == (tmp_path / "cat.canny.png",)
    with Image.open(tmp_path / "cat.canny.png") as opened:
        assert opened.mode == "RGB"
        assert np.array_equal(np.asarray(opened), made.images[1])
    assert [path.name for path in tmp_path.iterdir()] == ["cat.canny.png"]


def test_grey_maps_stay_rgb(tmp_path: Path) -> None:
    write_map(ControlMap(images=np.full((1, 4, 4, 3), 7, np.uint8)), 0, tmp_path, "x")
    with Image.open(tmp_path / "x.png") as opened:
        assert opened.mode == "RGB"


def test_info_is_in_the_picture(tmp_path: Path) -> None:
    write_map(a_map(), 0, tmp_path, "x")
    assert read_info(tmp_path / "x.png") == INFO
    with Image.open(tmp_path / "x.png") as opened:
        assert json.loads(opened.info["underdrawing"]) == INFO


def test_same_map_same_bytes(tmp_path: Path) -> None:
    values = RNG.random((2, 9, 14)).astype(np.float32)
    made = a_map(values)
    shuffled = ControlMap(images=made.images, values=values, info=dict(reversed(INFO.items())))
    one = write_map(made, 0, tmp_path / "a", "x", values=True)
    two = write_map(shuffled, 0, tmp_path / "b", "x", values=True)
    assert [path.name for path in one] == [path.name for path in two] == ["x.png", "x.npy", "x.values.png"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_values_as_npy_and_sixteen_bits(tmp_path: Path) -> None:
    values = (RNG.random((2, 40, 50)) * 70 - 3).astype(np.float32)
    write_map(a_map(values, (40, 50)), 1, tmp_path, "x", values=True)
    assert np.array_equal(np.load(tmp_path / "x.npy"), values[1])
    with Image.open(tmp_path / "x.values.png") as opened:
        grey = np.asarray(opened).astype(np.float64)
    assert (grey.min(), grey.max()) == (0, 65535)
    info = read_info(tmp_path / "x.values.png")
    low, high = info["range"]
    assert np.abs(low + (high - low) * grey / 65535 - values[1]).max() <= (high - low) / 65535
    assert info["annotator"] == "canny"


def test_flat_and_missing_values(tmp_path: Path) -> None:
    values = np.full((2, 3, 4), 5, np.float32)
    values[1, 0, 0] = np.nan
    values[1, 1, 1] = 6
    write_map(a_map(values), 0, tmp_path, "flat", values=True)
    assert read_info(tmp_path / "flat.values.png")["range"] == [5, 5]
    with Image.open(tmp_path / "flat.values.png") as opened:
        assert not np.asarray(opened).any()
    write_map(a_map(values), 1, tmp_path, "holes", values=True)
    info = read_info(tmp_path / "holes.values.png")
    assert (info["range"], info["not_finite"]) == ([5, 6], 1)


def test_values_with_channels_have_no_picture(tmp_path: Path) -> None:
    values = RNG.random((1, 3, 4, 3)).astype(np.float32)
    paths = write_map(a_map(values), 0, tmp_path, "x", values=True, json=True)
    assert [path.name for path in paths] == ["x.png", "x.npy"]
    one = RNG.random((1, 3, 4, 1)).astype(np.float32)
    assert len(write_map(a_map(one), 0, tmp_path, "y", values=True)) == 3


def test_poses_as_openpose_json(tmp_path: Path) -> None:
    poses = pytest.importorskip("underdrawing.core.poses.model")
    empty = poses.Pose(people=(), width=14, height=9)
    made = ControlMap(images=a_map().images[:1], poses=(empty,), info=INFO)
    paths = write_map(made, 0, tmp_path, "x", json=True)
    assert [path.name for path in paths] == ["x.png", "x.json"]
    assert json.loads(paths[1].read_text())["people"] == []


def test_what_stood_there_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"old")
    write_map(a_map(), 0, tmp_path, "x")
    assert read_info(tmp_path / "x.png") == INFO
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(WriteFailed):
        write_map(a_map(), 0, tmp_path / "file", "x")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_info_of_other_files(tmp_path: Path) -> None:
    Image.new("RGB", (3, 3)).save(tmp_path / "other.png")
    assert read_info(tmp_path / "other.png") == {}
    Image.new("RGB", (3, 3)).save(tmp_path / "other.jpg")
    whole = encode_png(np.zeros((3, 3, 3), np.uint8), INFO)
    (tmp_path / "cut.png").write_bytes(whole[:60])
    for name in ("other.jpg", "cut.png", "missing.png"):
        with pytest.raises(BadImage):
            read_info(tmp_path / name)
