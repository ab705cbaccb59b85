"""The record of a batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import entries

from underdrawing.core.batch.manifest import Manifest
from underdrawing.core.errors import WriteFailed


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"input": f"{name}.png", "name": "x", "output": f"{name}.x.png", **more}


def done(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    (folder / f"{name}.x.png").write_bytes(b"x")
    return entry(name, **more) | {"status": "done", "files": [f"{name}.x.png"]}


def test_lines_stand_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(done(tmp_path, "b"), (1, 0, 0))
    manifest.add({"input": "c.png", "name": "", "status": "refused", "reason": "no"}, (2, -1, -1))
    manifest.add(done(tmp_path, "a"), (0, 0, 0))
    assert [e["input"] for e in entries(tmp_path)] == ["b.png", "c.png", "a.png"]
    manifest.close()
    assert [e["input"] for e in entries(tmp_path)] == ["a.png", "b.png", "c.png"]


def test_done_means_the_same_made_of_the_same_and_still_there(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(done(tmp_path, "a", sha256="1", params={"low": 1}), (0, 0, 0))
    again = Manifest(tmp_path)
    assert again.is_done(entry("a", sha256="1", params={"low": 1}))
    assert not again.is_done(entry("a", sha256="2", params={"low": 1}))
    assert not again.is_done(entry("a", sha256="1", params={"low": 2}))
    assert not again.is_done(entry("b"))
    (tmp_path / "a.x.png").unlink()
    assert not again.is_done(entry("a", sha256="1", params={"low": 1}))


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_a_torn_line_is_dropped(tmp_path: Path, cut: int) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(done(tmp_path, "a"), (0, 0, 0))
    manifest.add(done(tmp_path, "b"), (1, 0, 0))
    manifest.path.write_bytes(manifest.path.read_bytes()[:-cut])
    again = Manifest(tmp_path)
    again.repair()
    assert [e["input"] for e in entries(tmp_path)] == ["a.png"] if cut > 1 else ["a.png", "b.png"]
    again.add(done(tmp_path, "c"), (0, 0, 0))
    assert entries(tmp_path)[-1]["input"] == "c.png"


def test_a_torn_first_line_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"inp')
    manifest = Manifest(tmp_path)
    manifest.repair()
    assert entries(tmp_path) == []


@pytest.mark.parametrize("text", ["something else\n", "[1, 2]", '{"a": 1}\n'])
def test_a_file_that_is_not_ours_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.jsonl").write_text(text)
    with pytest.raises(WriteFailed, match="not a record"):
        Manifest(tmp_path)
    assert (tmp_path / "manifest.jsonl").read_text() == text


def test_what_other_runs_did_stays_and_old_refusals_go(tmp_path: Path) -> None:
    first = Manifest(tmp_path)
    first.add(done(tmp_path, "a"), (0, 0, 0))
    first.add({"input": "b.png", "name": "", "status": "refused", "reason": "no"}, (1, -1, -1))
    first.add({"input": "c.png", "name": "", "status": "refused", "reason": "no"}, (2, -1, -1))
    first.close()
    second = Manifest(tmp_path)
    second.add(done(tmp_path, "b"), (0, 0, 0))
    second.close()
    assert [(e["input"], e["status"]) for e in entries(tmp_path)] == [
        ("a.png", "done"),
        ("c.png", "refused"),
        ("b.png", "done"),
    ]


def test_any_name_comes_back(tmp_path: Path) -> None:
    names = ["ünï", "line\u2028separator", "next\x85line", "tab\t", "lone \udce9 byte", "日本"]
    manifest = Manifest(tmp_path)
    for number, name in enumerate(names):
        manifest.add(entry(name) | {"status": "done", "files": []}, (number, 0, 0))
    manifest.close()
    assert [json.loads(line)["input"] for line in manifest.path.read_bytes().decode().split("\n") if line] == [
        f"{n}.png" for n in names
    ]
    assert all(Manifest(tmp_path).is_done(entry(name)) for name in names)
