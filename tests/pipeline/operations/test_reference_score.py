from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.pipeline.operations.reference_score import choose_kinds, format_scores, read_pairs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "controlnet_canny").mkdir()
    (tmp_path / "control_lora_pose.safetensors").touch()
    return tmp_path


def test_the_controls_of_a_folder(weights: Path) -> None:
    assert choose_kinds(weights, []) == ["canny", "pose"]
    assert choose_kinds(weights, ["pose"]) == choose_kinds(weights, ["pose", "pose"]) == ["pose"]
    with pytest.raises(BadParameter, match=r"has no control seg.*canny, pose"):
        choose_kinds(weights, ["pose", "seg"])


def test_pairs_are_of_controls_that_are_judged() -> None:
    assert read_pairs(["canny+pose"] * 2, ["canny", "pose"], where="") == [("canny", "pose")]
    for text in ("canny", "canny+canny", "canny+seg", "canny+pose+seg"):
        with pytest.raises(BadParameter, match="names no two of the controls"):
            read_pairs([text], ["canny", "pose"], where="")


def test_a_folder_without_a_judge_is_named(weights: Path) -> None:
    with pytest.raises(BadParameter, match=r"holds no judge\.safetensors"):
        run(operations()["reference.score"], {"weights": weights}, {}, Job(HostHooks()))


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, what in (("missing", "there is no such folder"), ("file", "is no folder")):
        with pytest.raises(BadParameter, match=what):
            run(operations()["reference.score"], {"weights": tmp_path / name}, {}, Job(HostHooks()))


def test_the_table() -> None:
    row = {"measure": "f1", "off": 0.25, "on": 0.75, "ceiling": 1.0, "gain": 3.0, "of_ceiling": 0.75, "skill": 0.67}
    both = {"canny + pose": {"canny": {"on": 0.7, "of_alone": 0.93}}}
    rows = {"kinds": {"canny": row}, "together": both}
    captions = {"kinds": {"canny": row | {"off": 0.5, "gain": 1.5}}, "together": {}}
    data = rows | {"with_captions": captions, "prompt": {"kind": 0.9}, "prompt_ceiling": {"kind": 1.0}}
    lines = format_scores(data).splitlines()
    assert lines[3] == "together canny + pose: canny 0.700 (0.93 of alone)"
    assert lines[2].split() == ["canny", "f1", "0.250", "0.750", "1.000", "3.00", "0.75", "0.67"]
    assert [line for line in lines if line.startswith("with")] == ["with an empty prompt", "with captions"]
    assert lines[7].split() == ["canny", "f1", "0.500", "0.750", "1.000", "1.50", "0.75", "0.67"]
    assert lines[-1] == "prompt: kind      0.90 (judge on the scenes themselves 1.00)"
