"""The record of a batch."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.command_line import entries, picture

from underdrawing.core.batch.manifest import Manifest
from underdrawing.core.errors import WriteFailed

if TYPE_CHECKING:
    from tests.support.command_line import Run, Start


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


def test_inputs_are_known_by_their_content(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo, mask = picture(tmp_path / "in" / "a.png"), picture(tmp_path / "masks" / "a.png", seed=1)
    spellings = ["in/a.png", photo, "./in/../in/a.png", "in", f"{tmp_path}/in/*.png"]
    for number, name in enumerate(spellings):
        folder = mask.parent if number % 2 else "masks"
        done = run("annotate", "inpaint", name, "-o", "out", "--mask", folder)
        assert f"{'0 maps' if number else '1 map'} of 1 input " in done.err
        assert len(entries(Path("out"))) == 1
    photo.rename(tmp_path / "a.png")
    assert "0 maps of 1 input " in run("annotate", "inpaint", "a.png", "-o", "out", "--mask", "masks").err
    assert entries(Path("out"))[0]["input"] == "a.png"
    assert run("annotate", "inpaint", "a.png", "-o", "out", "--mask", "masks", "--sheet").code == 0
    assert Path("out/sheet.png").is_file()


def test_refusals_of_an_input_go_whatever_its_spelling(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"<html>")
    run("annotate", "canny", "a.png", "-o", "out")
    picture(Path("a.png"))
    run("annotate", "canny", tmp_path / "a.png", "-o", "out")
    assert [e["status"] for e in entries(Path("out"))] == ["done"]


def test_lines_of_other_runs_are_kept(tmp_path: Path) -> None:
    mine, other = Manifest(tmp_path), Manifest(tmp_path)
    mine.repair()
    other.repair()
    mine.add(done(tmp_path, "a"), (0, 0, 0))
    other.add(done(tmp_path, "b"), (0, 0, 0))
    third = Manifest(tmp_path)
    mine.close()
    third.repair()
    third.add(done(tmp_path, "c"), (0, 0, 0))
    other.close()
    third.close()
    assert sorted(e["input"] for e in entries(tmp_path)) == ["a.png", "b.png", "c.png"]


def test_processes_in_one_folder_lose_no_line(start: Start, tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / "in" / f"{number:02d}.png", seed=number)
    line = ("-o", tmp_path / "out", "--resolution", "16")
    shots = [str(path) for path in sorted((tmp_path / "in").iterdir())]
    runs = [start("annotate", "invert", *shots[at::3], *line) for at in range(3)]
    for child in runs:
        child.communicate()
        assert child.returncode == 0
    assert sorted(e["input"] for e in entries(tmp_path / "out")) == shots


@pytest.mark.parametrize(
    "line",
    [
        "null",
        "17",
        '"text"',
        "[]",
        '[{"input": "x", "status": "done"}]',
        "{}",
        '{"input": 5, "status": "done"}',
        '{"input": "x.png", "status": ["done"]}',
        '{"input": "x.png", "status": "done"}',
        '{"input": "x.png", "status": "done", "output": {}, "name": "x", "files": ["a"]}',
        '{"input": "x.png", "status": "done", "output": "x", "name": "x", "files": "abc"}',
        '{"input": "x.png", "status": "done", "output": "x", "name": "x", "files": [1]}',
        '{"input": "x.png", "status": "done", "output": "x", "name": "x", "files": ["a\\u0000b"]}',
        '{"input": "a\\u0000b", "status": "refused"}',
        '{"input": "x.png", "status": "done", "output": "x", "name": [], "files": []}',
        '{"input": "x.png", "status": "who knows"}',
        f'{{"input": {"1" * 5000}, "status": "done"}}',
        f"{'[' * 100_000}",
        f'{{"input": "x", "more": {"[" * 100_000}',
        "{'input': 'x'}",
        "\x00\x00",
        "\ufffd{",
    ],
)
def test_damaged_lines_are_skipped_and_reported(run: Run, tmp_path: Path, line: str) -> None:
    photo, out = picture(tmp_path / "a.png"), tmp_path / "out"
    run("annotate", "canny", photo, "-o", out)
    manifest = out / "manifest.jsonl"
    whole = manifest.read_text("utf-8")
    manifest.write_text(f"{whole}{line}\n{line}\n", "utf-8")
    again = run("annotate", "canny", photo, "-o", out, "--sheet")
    assert again.code == 0
    assert "0 maps of 1 input " in again.err
    assert "2 damaged lines of" in again.err
    assert manifest.read_text("utf-8") == whole


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=8), st.data()
)
def test_entries_of_any_shape_do_no_harm(value: Any, data: st.DataObject) -> None:
    keys = ["input", "status", "name", "output", "files", "mask", "sha256", "layout"]
    shape = {key: value if data.draw(st.booleans()) else "done" for key in keys if data.draw(st.booleans())}
    with tempfile.TemporaryDirectory() as folder:
        whole = done(Path(folder), "a", sha256="1")
        Path(folder, "manifest.jsonl").write_text(f"{json.dumps(whole)}\n{json.dumps(shape)}\n", "utf-8")
        manifest = Manifest(Path(folder))
        manifest.is_done({**entry("a"), "sha256": "1"})
        assert manifest.is_map(Path(folder, "a.x.png"))
        assert not manifest.is_map(Path(folder, "b.png"))
        manifest.repair()
        manifest.add(done(Path(folder), "b"), (0, 0, 0))
        manifest.close()
        assert {"a.png", "b.png"} <= {e["input"] for e in entries(Path(folder))}
