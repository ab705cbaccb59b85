"""Where the files of operations go, and that none of them replaces what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.errors import BadParameter, WriteFailed
from underdrawing.core.hooks import FileKind, HostHooks
from underdrawing.core.operation import Inputs, Job, Operation, Picture, Report, Spec, slot, target
from underdrawing.core.operation_files import find_new_file, find_targets, read_inputs, write_results
from underdrawing.core.params import Params

POSE: dict[str, Any] = {"people": [], "canvas_width": 8, "canvas_height": 6}


class EditInputs(Inputs, frozen=True):
    pose: Annotated[Path, slot("poses", "What is read")]
    output: Annotated[Path, target("poses", "Where to", suffix=".json")]


class Edit(Operation[EditInputs, Params]):
    """Read a pose and write it."""

    spec = Spec(id="test.edit", title="Edit")

    def run(self, inputs: EditInputs, params: Params, job: Job) -> Report:
        return Report()


class Folder(HostHooks):
    """A host with one folder for everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def folders(self, kind: FileKind) -> list[Path]:
        return [self.folder]


def pose_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(POSE))
    return path


@pytest.mark.parametrize("name", ["new", "new.json", "sub/new"])
def test_a_new_file_goes_into_the_host_s_folder(tmp_path: Path, name: str) -> None:
    path = find_new_file(Edit, name, {}, Job(Folder(tmp_path)), "old.json")
    assert path is not None
    assert path == tmp_path / f"{name.removesuffix('.json')}.json"
    assert path.parent.is_dir()


@pytest.mark.parametrize("name", ["", "../new", "/new", "con"])
def test_a_name_that_no_new_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadParameter):
        find_new_file(Edit, name, {}, Job(Folder(tmp_path)), "old.json")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_replaced_only_on_wish(tmp_path: Path) -> None:
    pose_file(tmp_path / "old.json")
    with pytest.raises(WriteFailed, match="exists already"):
        find_new_file(Edit, "old", {}, Job(Folder(tmp_path), overwrite=False), "")
    assert find_new_file(Edit, "old", {}, Job(Folder(tmp_path)), "") == tmp_path / "old.json"


@pytest.mark.parametrize("batch", [False, True])
def test_poses_go_to_the_file_and_pictures_into_the_folder(tmp_path: Path, batch: bool) -> None:
    source, pixels = pose_file(tmp_path / "in.json"), np.full((6, 8, 3), 7, np.uint8)
    (written,) = write_results(
        Report(poses=(POSE,), batch=batch), {"pose": source, "output": tmp_path / "out.json"}, "output"
    )
    assert json.loads(written.read_text()) == ([POSE] if batch else POSE)
    report = Report(pictures=(Picture(pixels, ending=".a"), Picture(pixels, ending=".b")))
    files = write_results(report, {"pose": source, "output": tmp_path / "maps"}, "output")
    assert files == [tmp_path / "maps" / "in.a.png", tmp_path / "maps" / "in.b.png"]
    assert all(np.array_equal(np.asarray(Image.open(file)), pixels) for file in files)


def test_what_is_read_is_never_written_over(tmp_path: Path) -> None:
    source = pose_file(tmp_path / "in.json")
    with pytest.raises(BadParameter, match="is the file to read"):
        write_results(Report(poses=({},)), {"pose": source, "output": tmp_path / "." / "in.json"}, "output")
    assert json.loads(source.read_text()) == POSE


def test_results_of_one_file_go_where_the_user_said_and_of_several_into_a_folder(tmp_path: Path) -> None:
    one, two = pose_file(tmp_path / "one.json"), pose_file(tmp_path / "two.json")
    assert find_targets(Edit, "poses", [one], tmp_path / "out.json") == {one: None}
    assert find_targets(Edit, "poses", [one, two], tmp_path / "out") == {
        one: tmp_path / "out" / "one.json",
        two: tmp_path / "out" / "two.json",
    }
    with pytest.raises(BadParameter, match="several poses"):
        find_targets(Edit, "poses", [one, two], one)


def test_poses_are_read_and_the_rest_is_handed_on(tmp_path: Path) -> None:
    inputs = {"pose": pose_file(tmp_path / "in.json"), "output": tmp_path / "out.json"}
    found = read_inputs(Edit, inputs)
    assert found["output"] == inputs["output"]
    assert not isinstance(found["pose"], Path)
