"""Batches: killed, interrupted, poisoned, resumed."""

from __future__ import annotations

import random
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import contents, entries, picture, signal_at

if TYPE_CHECKING:
    from tests.support.command_line import Run, Start

NAMES = "canny,scribble_xdog"
COUNT = 16


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Folder with pictures of three sizes, and two files that are none."""
    for number in range(COUNT):
        picture(tmp_path / "in" / f"{number:02d}.png", 300 + number % 3, 200, seed=number)
    (tmp_path / "in" / "05x.png").write_bytes(b"<html>")
    (tmp_path / "in" / "12x.png").write_bytes((tmp_path / "in" / "12.png").read_bytes()[:300])
    return tmp_path


def command(out: str) -> list[str]:
    return ["annotate", NAMES, "in", "-o", out, "--resolution", "512", "--batch", "3"]


def expected(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    monkeypatch.chdir(folder)
    assert run(*command("whole")).code == 3
    return contents(folder / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and SIGINT are of POSIX")
def test_killed_at_random_points_it_ends_as_if_never_killed(
    run: Run, start: Start, shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = expected(run, shots, monkeypatch)
    rng = random.Random(7)
    recorded = b""
    for moment in (("open", "out/", rng.randint(5, 14)), ("os.rename", ".part", rng.randint(2, 7))) * 2:
        child = start(*command("out"), cwd=shots, **signal_at(signal.SIGKILL, *moment))
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        recorded = (shots / "out" / "manifest.jsonl").read_bytes()
        maps = len(list((shots / "out").glob("*.png")))
        assert maps - recorded.count(b'"status": "done"') <= 1
    assert 0 < recorded.count(b'"status": "done"') < 2 * COUNT
    kept = recorded.rpartition(b"\n")[0].count(b'"status": "done"')
    last = run("annotate", NAMES, "in", "-o", "out", "--resolution", "512", "--batch", "3")
    assert last.code == 3
    assert f"{2 * COUNT - kept} maps of" in last.err
    assert contents(shots / "out") == whole


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and SIGINT are of POSIX")
def test_interrupted_it_stops_within_a_picture_and_goes_on(
    run: Run, start: Start, shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = expected(run, shots, monkeypatch)
    child = start(*command("out"), cwd=shots, **signal_at(signal.SIGINT, "open", "manifest.jsonl", 6))
    _, err = child.communicate(timeout=300)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert "goes on from here" in err
    assert len(entries(shots / "out")) < 2 * COUNT
    assert run(*command("out")).code == 3
    assert contents(shots / "out") == whole


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and SIGINT are of POSIX")
@pytest.mark.parametrize(
    ("event", "subject"),
    [("import", "underdrawing.cli.app"), ("import", "click"), ("open", "/canny."), ("import", "numpy")],
)
def test_interrupted_while_starting_it_says_nothing_strange(
    start: Start, shots: Path, event: str, subject: str
) -> None:
    child = start(*command("out"), cwd=shots, **signal_at(signal.SIGINT, event, subject))
    _, err = child.communicate(timeout=300)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert not list((shots / "out").glob("*.png"))


def test_refused_inputs_are_told_and_the_rest_is_done(run: Run, shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shots)
    done = run("annotate", NAMES, "in", "lost.png", "in/*.bmp", "-o", "out", "--resolution", "32")
    assert done.code == 3
    refused = [e for e in entries(shots / "out") if e["status"] == "refused"]
    assert [e["input"] for e in refused] == ["in/05x.png", "in/12x.png", "lost.png", "in/*.bmp"]
    for one in refused:
        assert one["reason"]
        assert f"refused {one['input']}: {one['reason']}" in done.err
    assert len([e for e in entries(shots / "out") if e["status"] == "done"]) == 2 * COUNT
    picture(shots / "in" / "05x.png")
    assert run("annotate", NAMES, "in/05x.png", "-o", "out", "--resolution", "32").code == 0
    assert "in/05x.png" not in [e["input"] for e in entries(shots / "out") if e["status"] == "refused"]


def test_poisoned_pictures_do_not_stop_a_batch(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "good.png")
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture")
    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (65535).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    (folder / "bomb.png").write_bytes(huge + b"\0" * 64)
    done = run("annotate", "canny,hed", folder, "-o", tmp_path / "out", "--resolution", "32")
    assert done.code == 3
    assert [(Path(e["input"]).name, e["status"]) for e in entries(tmp_path / "out")] == [
        ("bomb.png", "refused"),
        ("empty.png", "refused"),
        *[("good.png", "done")] * 2,
        ("text.jpg", "refused"),
    ]


def test_too_large_a_map_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("annotate", "canny", picture(tmp_path / "a.png", 8, 400), "-o", tmp_path / "out", "--resolution", 9000)
    assert done.code == 3
    assert "more than" in done.err


@pytest.mark.parametrize("change", ["parameter", "resolution", "input", "values", "lost"])
def test_a_rerun_makes_only_what_changed(run: Run, tmp_path: Path, change: str) -> None:
    photos = [picture(tmp_path / "in" / f"{n}.png", seed=n) for n in range(3)]
    line = ["annotate", "canny", *photos, "-o", tmp_path / "out", "--resolution", "32"]
    run(*line)
    same = run(*line)
    assert "0 maps of 3 inputs" in same.err
    assert "3 kept" in same.err
    extra = {"parameter": ["--low-threshold", 5], "resolution": ["--match-input"], "values": ["--values"]}.get(
        change, []
    )
    if change == "resolution":
        line = line[:-2]
    if change == "input":
        picture(photos[1], seed=9)
    if change == "lost":
        (tmp_path / "out" / "1.canny.png").unlink()
    again = run(*line, *extra)
    made = re.search(r"(\d+) maps? of 3", again.err)
    assert made
    assert int(made[1]) == (1 if change in ("input", "lost") else 3)


def test_bytes_do_not_depend_on_the_batch(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        picture(Path(f"in/{number}.png"), 64 + 8 * (number // 3), 64, seed=number)
    for out, batch in (("one", 1), ("many", 4)):
        assert (
            run("annotate", "hed,canny", "in", "-o", out, "--resolution", "64", "--values", "--batch", batch).code == 0
        )
    assert run("annotate", "hed,canny", "in/3.png", "-o", "alone", "--resolution", "64", "--values").code == 0
    assert contents(Path("one")) == contents(Path("many"))
    alone = contents(Path("alone"))
    assert all(contents(Path("one"))[name] == data for name, data in alone.items() if name != "manifest.jsonl")


def test_the_device_is_told(run: Run, tmp_path: Path) -> None:
    done = run(
        "annotate",
        "hed",
        picture(tmp_path / "a.png"),
        "-o",
        tmp_path,
        "--device",
        "cpu",
        "--dtype",
        "float32",
        "--resolution",
        64,
    )
    assert "hed ran on cpu, float32, torch" in done.err
