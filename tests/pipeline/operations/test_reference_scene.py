from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.errors import WriteFailed
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, Report, run
from underdrawing.core.operation_registry import operations
from underdrawing.core.poses.files import read_poses


def render(folder: Path, job: Job | None = None, **values: int | str | bool) -> Report:
    return run(operations()["reference.scene"], {"output": folder}, {"size": 64, **values}, job or Job(HostHooks()))


def test_scenes_come_with_maps_and_truth(tmp_path: Path) -> None:
    report = render(tmp_path, seed=1, count=2)
    names = ["", "_depth", "_lines", "_normals", "_pose", "_seg"]
    assert sorted(p.stem for p in tmp_path.glob("*.png")) == [f"{s:06}{n}" for s in (1, 2) for n in names]
    assert {path.name for path in report.files} == {path.name for path in tmp_path.iterdir()}
    document = json.loads((tmp_path / "000001.json").read_bytes())
    assert document["caption"] == report.data[0]["caption"]
    assert "a person in red with arms up in the middle" in report.text
    assert all(Image.open(path).size == (64, 64) for path in tmp_path.glob("*.png"))


def test_the_truth_holds_the_pose(tmp_path: Path) -> None:
    render(tmp_path, seed=1)
    pose = json.loads((tmp_path / "000001.json").read_bytes())["pose"]
    (tmp_path / "pose.json").write_text(json.dumps(pose))
    assert len(read_poses(tmp_path / "pose.json").poses[0].people) == 1


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        render(tmp_path / folder, seed=5)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_styles_differ_and_maps_can_be_left_out(tmp_path: Path) -> None:
    for style in ("render", "blueprint"):
        render(tmp_path / style, style=style, maps=False)
        assert len(list((tmp_path / style).iterdir())) == 2
    first, second = (np.asarray(Image.open(tmp_path / style / "000000.png")) for style in ("render", "blueprint"))
    assert not np.array_equal(first, second)


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    render(tmp_path)
    with pytest.raises(WriteFailed):
        render(tmp_path, Job(HostHooks(), overwrite=False))


def test_a_folder_to_train_on_has_pictures_and_captions_only(tmp_path: Path) -> None:
    render(tmp_path, seed=3, count=2, style="storybook", guest="snowman", training=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000003.png", "000003.txt", "000004.png", "000004.txt"]
    caption = (tmp_path / "000003.txt").read_text().strip()
    assert "a snowman" in caption
    assert caption.endswith("storybook")
