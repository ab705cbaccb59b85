"""Which files are taken as inputs, and that nothing the user has is lost."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import contents, entries, picture

from underdrawing.core.batch.inputs import Source, expand_inputs

if TYPE_CHECKING:
    from tests.support.command_line import Run


def found(*texts: str, recursive: bool = False) -> list[Source]:
    return expand_inputs(texts, recursive=recursive, is_map=lambda path: False, origins={}).sources


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "shots/b.png",
        "shots/a B.JPG",
        "shots/ünï.webp",
        "shots/more/c.png",
        "shots/.hidden.png",
        "shots/._b.png",
    ):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    Path("shots/readme.txt").write_text("x")
    return tmp_path


def test_files_keep_their_order_and_come_once(shots: Path) -> None:
    assert [s.path for s in found("shots/b.png", "shots/a B.JPG", "./shots/b.png")] == [
        Path("shots/b.png"),
        Path("shots/a B.JPG"),
    ]


def test_folders_are_sorted_and_give_pictures_only(shots: Path) -> None:
    assert [s.path.name for s in found("shots")] == ["a B.JPG", "b.png", "ünï.webp"]
    everything = found("shots", recursive=True)
    assert [(s.path.name, s.folder) for s in everything] == [
        ("a B.JPG", Path()),
        ("b.png", Path()),
        ("c.png", Path("more")),
        ("ünï.webp", Path()),
    ]


def test_globs_are_expanded_here(shots: Path) -> None:
    assert [s.path.name for s in found("shots/*.png")] == ["b.png"]
    assert [s.path.name for s in found("shots/**/*.png")] == ["b.png", "c.png"]
    assert [s.path.name for s in found(str(shots / "shots" / "[ab]*"))] == ["a B.JPG", "b.png"]


def test_a_name_with_brackets_that_exists_is_a_name(shots: Path) -> None:
    Path("shots/x[1].png").write_bytes(b"x")
    assert [s.path.name for s in found("shots/x[1].png")] == ["x[1].png"]


def test_nothing_found_is_said_not_swallowed(shots: Path) -> None:
    Path("empty").mkdir()
    problems = {str(s.path): s.problem for s in found("empty", "no*.png", "lost.png")}
    assert problems == {"empty": "the folder holds no picture", "no*.png": "no file matches", "lost.png": ""}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_an_unreadable_folder_is_a_problem(shots: Path) -> None:
    Path("closed").mkdir(mode=0)
    assert "cannot be read" in found("closed")[0].problem


def test_links_are_inputs_of_their_own(shots: Path) -> None:
    try:
        Path("shots/link.png").symlink_to("b.png")
    except OSError:
        pytest.skip("no links here")
    assert [s.path.name for s in found("shots")] == ["a B.JPG", "b.png", "link.png", "ünï.webp"]


def test_maps_beside_their_inputs_are_not_taken_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    picture(Path("b.png"), seed=1)
    for args in (["."], ["*.png"]):
        assert run("annotate", "canny,hed", *args, "-o", ".", "--resolution", 32, "--values", "--sheet").code == 0
        before = contents(tmp_path)
        again = run("annotate", "canny,hed", *args, "-o", ".", "--resolution", 32, "--values", "--sheet")
        assert again.code == 0
        assert "0 maps of 2 inputs" in again.err
        assert contents(tmp_path) == before
    expanded = sorted(str(p) for p in Path().glob("*.png") if p.name != "sheet.png")  # as a shell would
    assert (
        "0 maps of 2 inputs" in run("annotate", "canny,hed", *expanded, "-o", ".", "--resolution", 32, "--values").err
    )


def test_maps_that_a_shell_names_beside_their_pictures_are_left_out_of_any_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    assert run("annotate", "canny,invert", ".", "-o", ".", "--resolution", 32).err.endswith("2 maps of 1 input in .\n")
    every = sorted(str(path) for path in Path().glob("*.png"))  # as a shell would
    done = run("annotate", "canny", *every, "-o", "out", "--resolution", 32)
    assert "note: 2 maps of earlier runs among the inputs were left out" in done.err
    assert "1 map of 1 input in out" in done.err
    assert "1 map of 1 input" in run("annotate", "canny", "a.invert.png", "-o", "other", "--resolution", 32).err


@pytest.mark.parametrize("name", ["loop.png", "loop", "./loop.png"])
def test_a_link_to_itself_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path(name).symlink_to(Path(name).name)
    except OSError:
        pytest.skip("no links here")
    done = run("annotate", "canny", name, "-o", "out")
    assert done.code == 3
    assert "refused" in done.err
    mask = picture(tmp_path / "m" / "a.png").parent
    assert run("annotate", "inpaint", name, "-o", "out", "--mask", mask).code == 3


@pytest.mark.parametrize("name", ["https://example.com/maps", "s3://bucket/maps", "  "])
def test_an_output_that_is_no_folder_of_this_machine_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    done = run("annotate", "canny", picture(tmp_path / "a.png"), "-o", name)
    assert done.code == 2
    assert ("URL" if name.strip() else "empty") in done.err


def test_a_map_without_a_record_is_known_by_its_mark(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    run("annotate", "canny", ".", "-o", ".")
    Path("manifest.jsonl").unlink()
    assert "of 1 input " in run("annotate", "canny", ".", "-o", ".").err


def test_a_map_can_be_annotated_when_it_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("annotate", "canny", picture(Path("a.png")), "-o", "out")
    done = run("annotate", "invert", "out/a.canny.png", "-o", "out")
    assert done.code == 0
    assert Path("out/a.canny.invert.png").is_file()
    assert run("annotate", "invert", "out", "-o", "elsewhere").code == 0
    assert Path("elsewhere/a.canny.invert.png").is_file()


def test_inputs_are_never_overwritten(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    picture(Path("a.canny.png"), seed=1)
    picture(Path("sheet.png"), seed=2)
    before = {name: data for name, data in contents(tmp_path).items() if name.endswith(".png")}
    done = run("annotate", "canny", ".", "-o", ".")
    assert done.code == 3
    assert "would overwrite an input" in done.err
    assert {name: contents(tmp_path)[name] for name in before} == before
    refused = run("annotate", "canny", "sheet.png", "-o", ".", "--sheet")
    assert refused.code == 1
    assert {name: contents(tmp_path)[name] for name in before} == before


@pytest.mark.parametrize("layout", ["suffix", "plain", "diffusers"])
def test_pictures_of_others_are_never_overwritten(run: Run, tmp_path: Path, layout: str) -> None:
    out = tmp_path / "out"
    names = {
        "suffix": ["a.canny.png"],
        "plain": ["canny/a.png"],
        "diffusers": ["conditioning_image/a.png", "image/a.png"],
    }
    words = ("annotate", "canny", picture(tmp_path / "a.png"), "-o", out, "--layout", layout)
    for name in names[layout]:
        before = picture(out / name, seed=1).read_bytes()
        done = run(*words)
        assert done.code == 3
        assert "did not write has the name of its map" in done.err
        assert (out / name).read_bytes() == before
        (out / name).unlink()
    assert run(*words).code == 0
    (out / "manifest.jsonl").unlink()
    assert run(*words).code == 0, "what bears our mark is ours without a record"


def test_masks_are_never_overwritten(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mask = picture(Path("out/a.inpaint.png"), seed=1)
    before = mask.read_bytes()
    assert run("annotate", "inpaint", picture(Path("a.png")), "-o", "out", "--mask", mask).code == 3
    assert mask.read_bytes() == before


def test_same_stems_do_not_overwrite_each_other(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.jpg")
    picture(tmp_path / "in" / "a.png", seed=1)
    done = run("annotate", "canny", tmp_path / "in", "-o", tmp_path / "out")
    assert done.code == 0
    assert "its maps bear the whole file name" in done.err
    assert [(Path(e["input"]).name, e["output"]) for e in entries(tmp_path / "out")] == [
        ("a.jpg", "a.jpg.canny.png"),
        ("a.png", "a.png.canny.png"),
    ]
    picture(tmp_path / "in" / "sub" / "a.png", seed=2)
    run("annotate", "canny", tmp_path / "in", "-o", tmp_path / "out2", "--recursive")
    assert (tmp_path / "out2" / "sub" / "a.canny.png").is_file()


def test_frames_do_not_meet_files_of_their_names(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    picture(tmp_path / "a.0001.png")
    done = run(
        "annotate", "invert", tmp_path / "a.gif", tmp_path / "a.0001.png", "-o", tmp_path / "out", "--all-frames"
    )
    assert done.code == 0
    names = sorted(p.name for p in (tmp_path / "out").glob("*.png"))
    assert names == ["a.0000.invert.png", "a.0001.invert.png", "a.0001.png.invert.png"]
    assert "bear the whole file name" in done.err
    first = run("annotate", "invert", tmp_path / "a.gif", "-o", tmp_path / "first")
    assert "several frames" in first.err
    assert (tmp_path / "first" / "a.invert.png").is_file()


def test_a_name_too_long_for_its_map_is_refused(run: Run, tmp_path: Path) -> None:
    long = picture(tmp_path / "in" / "short.png").rename(tmp_path / "in" / f"{'x' * 250}.png")
    picture(tmp_path / "in" / "y.png")
    done = run("annotate", "canny", tmp_path / "in", f"{tmp_path}/{'z' * 300}.png", "-o", tmp_path / "out")
    assert done.code == 3
    assert long.name in done.err
    assert (tmp_path / "out" / "y.canny.png").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_that_are_no_utf8_survive(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    strange = os.fsdecode(os.fsencode(folder) + b"/caf\xe9 \xe2\x80\xa8.png")
    picture(folder / "a.png").rename(strange)
    assert run("annotate", "canny", folder, "-o", tmp_path / "out").code == 0
    assert entries(tmp_path / "out")[0]["input"] == Path(strange).as_posix()
    assert "0 maps of 1 input " in run("annotate", "canny", folder, "-o", tmp_path / "out").err


def test_special_files_are_refused_at_once(run: Run, tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in run("annotate", "canny", tmp_path / "pipe.png", "-o", tmp_path / "out").err
    shutil.rmtree(tmp_path / "out")
