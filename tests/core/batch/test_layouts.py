"""Layouts for training sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.support.command_line import contents, entries, picture

if TYPE_CHECKING:
    from tests.support.command_line import Run


def test_plain_gives_maps_the_names_and_sizes_of_their_pictures(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.jpg", 61, 43)
    picture(tmp_path / "in" / "sub" / "b.png", 40, 30)
    out = tmp_path / "out"
    done = run("annotate", "canny,invert", tmp_path / "in", "-o", out, "--layout", "plain", "--recursive")
    assert done.code == 0
    maps = [f"{name}/{stem}.png" for name in ("canny", "invert") for stem in ("a", "sub/b")]
    assert sorted(contents(out)) == sorted([*maps, "manifest.jsonl"])
    assert Image.open(out / "canny" / "a.png").size == (61, 43)
    again = run("annotate", "canny,invert", tmp_path / "in", "-o", out, "--layout", "plain", "--recursive")
    assert "0 maps of 2 inputs" in again.err


def test_plain_says_which_pictures_are_stored_turned(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = picture(tmp_path / "a.jpg", exif=exif)
    done = run("annotate", "canny", photo, "-o", tmp_path / "out", "--layout", "plain")
    assert "EXIF orientation 6" in done.err


def test_diffusers_reads_what_is_written(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "in" / "a.jpg", 60, 40, exif=exif)
    picture(tmp_path / "in" / "sub" / "b.png", seed=1)
    (tmp_path / "in" / "a.txt").write_text("a house,\n at night\n", "utf-8-sig")
    (tmp_path / "in" / "sub" / "b.caption").write_text("ein Haus, blühend", "utf-8")
    out = tmp_path / "out"
    line = ["annotate", "canny", tmp_path / "in", "-o", out, "--layout", "diffusers", "--recursive"]
    assert run(*line).code == 0
    rows = [json.loads(row) for row in (out / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == ["a house, at night", "ein Haus, blühend"]
    for row in rows:
        image, condition = Image.open(out / row["file_name"]), Image.open(out / row["conditioning_image_file_name"])
        assert image.size == condition.size
        assert row["file_name"].startswith("image/")
    assert Image.open(out / "image" / "a.png").size == (40, 60)
    before = contents(out)
    assert "0 maps of 2 inputs" in run(*line).err
    assert contents(out) == before
    (tmp_path / "in" / "a.txt").write_text("a barn", "utf-8")
    assert "1 map of 2 inputs" in run(*line).err
    assert json.loads((out / "metadata.jsonl").read_text("utf-8").splitlines()[0])["text"] == "a barn"


def test_lines_of_the_user_stay(run: Run, tmp_path: Path) -> None:
    """Those of other pictures, and captions that were edited; what the program wrote follows the sidecars."""
    photos, out = tmp_path / "in", tmp_path / "out"
    for seed, name in enumerate("abc"):
        picture(photos / f"{name}.png", seed=seed)
    metadata = out / "metadata.jsonl"
    out.mkdir()
    mine = '{"file_name": "mine.png", "text": "my own"}'
    metadata.write_text(f"{mine}\nno json\n", "utf-8")
    line = ["annotate", "canny", photos, "-o", out, "--layout", "diffusers"]
    assert "2 lines of metadata.jsonl that you wrote or edited stay" in run(*line).err
    rows = metadata.read_text("utf-8").splitlines()
    assert rows[3:] == [mine, "no json"]
    edited = json.loads(rows[0]) | {"text": "edited\u2028here"}
    metadata.write_text("\n".join([json.dumps(edited, ensure_ascii=False), *rows[1:]]), "utf-8")
    (photos / "b.txt").write_text("from the sidecar", "utf-8")
    assert "3 lines" in run(*line).err
    found = [json.loads(row) for row in metadata.read_text("utf-8").split("\n")[:3]]
    assert {row["file_name"]: row["text"] for row in found} == {
        "image/a.png": "edited\u2028here",
        "image/b.png": "from the sidecar",
        "image/c.png": "",
    }
    before = contents(out)
    run(*line)
    assert contents(out) == before


def test_a_sheet_of_the_user_stays(run: Run, tmp_path: Path) -> None:
    photo, out = picture(tmp_path / "a.png"), tmp_path / "out"
    sheet = picture(out / "sheet.png")
    before = sheet.read_bytes()
    line = ["annotate", "canny", photo, "-o", out, "--sheet"]
    done = run(*line)
    assert done.code == 1
    assert "sheet.png: this program did not write this file. Next: move that file" in done.err
    assert sheet.read_bytes() == before
    sheet.unlink()
    assert [run(*line).code for _ in range(2)] == [0, 0]


def test_each_annotator_has_a_dataset_of_its_own(run: Run, tmp_path: Path) -> None:
    photo, out = picture(tmp_path / "a.png"), tmp_path / "out"
    assert run("annotate", "canny,invert", photo, "-o", out, "--layout", "diffusers").code == 0
    assert sorted(contents(out)) == sorted(
        [
            *(
                f"{name}/{path}"
                for name in ("canny", "invert")
                for path in ("image/a.png", "conditioning_image/a.png", "metadata.jsonl")
            ),
            "manifest.jsonl",
        ]
    )
    one = tmp_path / "one"
    run("annotate", "canny", photo, "-o", one, "--layout", "diffusers")
    refused = run("annotate", "invert", photo, "-o", one, "--layout", "diffusers")
    assert refused.code == 2
    assert "holds the dataset of canny" in refused.err


@pytest.mark.parametrize("layout", ["plain", "diffusers"])
def test_other_files_are_refused_and_inputs_stay(run: Run, tmp_path: Path, layout: str) -> None:
    photo = picture(tmp_path / "canny" / "a.png")
    values = run("annotate", "hed", photo, "-o", tmp_path, "--layout", layout, "--values")
    assert values.code == 2
    assert "trainers would stumble" in values.err
    if layout == "plain":
        before = photo.read_bytes()
        done = run("annotate", "canny", photo, "-o", tmp_path, "--layout", layout)
        assert done.code == 3
        assert photo.read_bytes() == before
        assert entries(tmp_path)[0]["status"] == "refused"


def test_pictures_without_a_caption_are_counted(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "a.txt").write_text("a house", "utf-8")
    (tmp_path / "in" / "b.txt").write_text(" \n", "utf-8")
    line = ["annotate", "canny,invert", tmp_path / "in", "-o", tmp_path / "out", "--layout", "diffusers"]
    for _ in range(2):
        assert "2 of 3 pictures have no caption" in run(*line).err
    for name in ("b", "c"):
        (tmp_path / "in" / f"{name}.txt").write_text("a tree", "utf-8")
    assert "no caption" not in run(*line).err
