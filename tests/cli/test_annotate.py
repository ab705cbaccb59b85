"""``underdrawing annotate`` from outside: files, exit codes and messages."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support.command_line import contents, entries, picture

import underdrawing
from underdrawing.cli.options import spellings
from underdrawing.cli.shared import shared_options
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from tests.support.command_line import Run, Start


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_writes_maps_and_a_manifest(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "my photo.jpg", 60, 40)
    done = run("annotate", "canny,invert", photo, "-o", tmp_path / "out", "--resolution", 64)
    assert done.code == 0
    assert sorted(contents(tmp_path / "out")) == ["manifest.jsonl", "my photo.canny.png", "my photo.invert.png"]
    assert pixels(tmp_path / "out" / "my photo.canny.png").shape == (64, 96, 3)
    assert [(e["input"], e["name"], e["status"]) for e in entries(tmp_path / "out")] == [
        (photo.as_posix(), "canny", "done"),
        (photo.as_posix(), "invert", "done"),
    ]


def test_options_without_effect_are_named(run: Run, tmp_path: Path) -> None:
    photo, mask = picture(tmp_path / "a.png", 60, 40), picture(tmp_path / "white.png", 60, 40, seed=1)
    idle = run("annotate", "invert", photo, "-o", tmp_path / "out", "--mode", "fill", "--mask", photo)
    raw = run("annotate", "invert", photo, "-o", tmp_path / "raw", "--values", "--json")
    assert "--values has no effect" in raw.err
    assert "--json has no effect" in raw.err
    assert idle.code == 0
    assert "--mode says how --size is met" in idle.err
    assert "--mask has no effect" in idle.err
    used = run(
        "annotate", "inpaint", photo, "-o", tmp_path / "used", "--size", "32x32", "--mode", "fill", "--mask", mask
    )
    assert "no effect" not in run("annotate", "recolor", photo, "-o", tmp_path / "kept", "--values").err
    assert used.code == 0
    assert "no effect" not in used.err


def test_equals_the_python_interface(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png", 70, 50)
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("canny", {"low_threshold": 20}),
        ("hed", {}),
        ("scribble_xdog", {"threshold": 20}),
    )
    for name, params in cases:
        options = [word for key, value in params.items() for word in (f"--{key}", value)]
        run("annotate", name, photo, "-o", tmp_path, "--values", "--resolution", 64, *options)
        expected = underdrawing.annotate(name, photo, resolution=64, **params)
        assert np.array_equal(pixels(tmp_path / f"a.{name}.png"), expected.images[0])
        if expected.values is None:
            assert not (tmp_path / f"a.{name}.npy").exists()
        else:
            assert np.array_equal(np.load(tmp_path / f"a.{name}.npy"), expected.values[0])
            assert pixels(tmp_path / f"a.{name}.values.png").dtype.itemsize >= 2


def test_one_decode_serves_all(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core.images import reading

    seen: list[Path] = []
    real = reading.read_pictures

    def counting(path: Path, all_frames: bool = False, resolution: int | None = None) -> list[reading.Picture]:
        seen.append(path)
        return real(path, all_frames, resolution)

    monkeypatch.setattr(reading, "read_pictures", counting)
    photo = picture(tmp_path / "a.png")
    assert run("annotate", "canny,invert,tile", photo, "-o", tmp_path / "out").code == 0
    assert seen == [photo]


@pytest.mark.parametrize("name", ["HEDPreprocessor", "softedge_hed", "invert (from white bg & black line)"])
def test_aliases_are_names(run: Run, tmp_path: Path, name: str) -> None:
    done = run("annotate", name, picture(tmp_path / "a.png"), "-o", tmp_path / "out")
    if registry.resolve(name).presets.get("model") == "controlnet":
        assert done.code == 1
        assert "weights fetch" in done.err
        assert not (tmp_path / "out" / "manifest.jsonl").exists()
    else:
        assert done.code == 0
        assert (tmp_path / "out" / "a.invert_from_white_bg_black_line.png").is_file()


def test_match_input_and_zero_keep_the_size(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png", 61, 43)
    for options in (["--match-input"], ["--resolution", "0"]):
        run("annotate", "canny", photo, "-o", tmp_path / "out", *options)
        assert pixels(tmp_path / "out" / "a.canny.png").shape == (43, 61, 3)


@pytest.mark.parametrize("mode", ["just", "crop", "fill"])
def test_size_is_met_in_every_mode(run: Run, tmp_path: Path, mode: str) -> None:
    photo = picture(tmp_path / "a.png", 80, 40)
    done = run("annotate", "canny,tile", photo, "-o", tmp_path, "--size", "64x96", "--mode", mode)
    assert done.code == 0
    assert pixels(tmp_path / "a.canny.png").shape == (96, 64, 3)
    assert pixels(tmp_path / "a.tile.png").shape == (96, 64, 3)


def test_no_parameter_hides_behind_a_shared_option() -> None:
    shared = {spelling for param in shared_options() for spelling in param.opts}
    for annotator in registry:
        for field in annotator.fields():
            assert not shared & set(spellings(field.name)), f"{annotator.spec.id}.{field.name}"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["cany"], "canny"),
        (["canny,cany"], "canny"),
        (["canny", "--low-threshold", "300"], "300"),
        (["canny", "--low-threshold", "many"], "many"),
        (["canny", "--no-such", "1"], "no-such"),
        (["canny", "--resolution", "-1"], "-1"),
        (["canny", "--resolution", "64", "--match-input"], "exclude"),
        (["canny", "--size", "64"], "WIDTHxHEIGHT"),
        (["canny", "--size", "64x64", "--resolution", "64"], "exclude"),
        (["canny", "--size", "64x64", "--values"], "--size"),
        (["canny", "--mask", "a.png", "--mask-from", "invert"], "exclude"),
        (["hed", "--device", "abacus"], "abacus"),
        (["hed", "--dtype", "int8"], "int8"),
        (["canny", "--batch", "0"], "0"),
        (["canny", "--mask-from", "nobody"], "nobody"),
        (["inpaint", "--mask-from", "canny"], "canny makes no mask"),
        (["inpaint", "--mask-from", "inpaint"], "take one of person_mask, threshold"),
        (["canny", "-o", ""], "the name is empty"),
        (["inpaint", "--mask", ""], "the name is empty"),
        (["canny", ""], "the name of an input is empty"),
    ],
)
def test_wrong_usage_is_2_and_says_what(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png")
    done = run("annotate", args[0], "a.png", "-o", "out", *args[1:])
    assert done.code == 2
    assert says in done.err
    assert not Path("out/manifest.jsonl").exists()


def test_urls_and_videos_are_refused_with_the_way_out(run: Run, tmp_path: Path) -> None:
    clip = tmp_path / "in" / "my clip.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"\0\0\0\x20ftypisom" + bytes(40))
    url = "https://example.org/a.png?x=1"
    done = run("annotate", "canny", url, clip, clip.parent, "-o", tmp_path / "out")
    assert done.code == 3
    assert f"refused {url}: this is a URL, and nothing is downloaded" in done.err
    assert done.err.count('ffmpeg -i "') == 2
    assert "1 video passed over" in done.err
    assert next(e["input"] for e in entries(tmp_path / "out") if e["status"] == "refused") == url


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_closed_streams_change_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(sys, stream, None)
    assert run("annotate", "canny", picture(tmp_path / "a.png"), "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "a.canny.png").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_cannot_steer_the_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bad = "a\x1b[31m\nrefused: all\x9b\u202e\r\x07.png"
    picture(Path("in/x.png"), 64, 64).rename(f"in/{bad}")
    Path(f"in/b{bad}").write_bytes(b"<html>")
    for args in (
        ["canny", "in", "-o", "out", "--sheet"],
        ["canny", f"lost{bad}", "-o", f"out{bad}"],
        ["inpaint", f"in/{bad}", "-o", "out", "--mask", "in"],
        ["inpaint", f"in/{bad}", "-o", "out", "--mask", f"lost{bad}"],
        ["canny", f"in/{bad}", "-o", f"in/{bad}"],
        [f"canny{bad}", "in", "-o", "out"],
        ["canny", "in", "-o", "out", f"--lost{bad}", "1"],
    ):
        done = run("annotate", *args)
        said = done.out + done.err
        assert not {mark for mark in said if unicodedata.category(mark) in ("Cc", "Cf")} - {"\n"}
        assert not any(line.startswith("refused: all") for line in said.splitlines()), args


def test_missing_arguments_are_2(run: Run, tmp_path: Path) -> None:
    for args in ([], ["canny"], ["canny", "-o", tmp_path], ["canny", "a.png"]):
        assert run("annotate", *args).code == 2
    assert run("nonsense").code == 2


def test_missing_weights_are_1(run: Run, tmp_path: Path) -> None:
    done = run("annotate", "hed", picture(tmp_path / "a.png"), "-o", tmp_path / "out", "--model", "controlnet")
    assert done.code == 1
    assert "underdrawing weights fetch lllyasviel/Annotators/ControlNetHED.pth" in done.err
    assert "Traceback" not in done.err


def test_an_output_folder_that_cannot_be_made_is_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = run("annotate", "canny", picture(tmp_path / "a.png"), "-o", tmp_path / "file" / "out")
    assert done.code == 1
    assert "Traceback" not in done.err


def test_a_full_disk_is_1_and_keeps_the_old_map(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core import files

    def usage(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=3)

    photo = picture(tmp_path / "a.png")
    run("annotate", "canny", photo, "-o", tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(files.shutil, "disk_usage", usage)
    done = run("annotate", "canny", photo, "-o", tmp_path / "out", "--resolution", "64")
    assert done.code == 1
    assert "disk is full" in done.err
    assert contents(tmp_path / "out") == before


def test_everything_takes_all_that_can_run_and_says_what_not(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png", 64, 64)
    done = run("annotate", "all", photo, "-o", tmp_path / "out", "--resolution", "64", "--sheet")
    assert done.code == 0
    assert "inpaint left out: it needs a mask" in done.err
    reasons = [line for line in done.err.splitlines() if " left out: " in line]
    assert f"{len(reasons)} of {len(registry)} annotators left out" in done.err
    assert (tmp_path / "out" / "a.hed.png").is_file()
    assert Image.open(tmp_path / "out" / "sheet.png").width > 256
    again = run("annotate", "all", photo, "-o", tmp_path / "out", "--resolution", "64", "--mask-from", "threshold")
    assert "inpaint left out" not in again.err
    assert (tmp_path / "out" / "a.inpaint.png").is_file()


def test_masks_of_every_kind(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png", 40, 40)
    half = np.zeros((40, 40), np.uint8)
    half[:, :20] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    (tmp_path / "masks").mkdir()
    Image.fromarray(half).save(tmp_path / "masks" / "a.png")
    transparent = Image.open(photo).convert("RGBA")
    transparent.putalpha(Image.fromarray(255 - half))
    transparent.save(tmp_path / "cut.png")
    common = ("--resolution", 0, "--values")
    cases = {
        "file": (photo, "--mask", tmp_path / "mask.png"),
        "folder": (photo, "--mask", tmp_path / "masks"),
        "alpha": (tmp_path / "cut.png",),
    }
    for name, (source, *options) in cases.items():
        assert run("annotate", "inpaint", source, "-o", tmp_path / name, *common, *options).code == 0
        values = np.load(tmp_path / name / f"{source.stem}.inpaint.npy")
        assert ((values == -1).all(axis=-1) == (half > 0)).all(), name
    other = run(
        "annotate",
        "inpaint",
        photo,
        "-o",
        tmp_path / "m",
        *common,
        "--mask-from",
        "threshold",
        "--threshold.threshold",
        90,
    )
    assert other.code == 0
    assert entries(tmp_path / "m")[0]["mask"]["params"]["threshold"] == 90


def test_a_missing_mask_refuses_that_annotator_only(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", seed=1)
    (tmp_path / "masks").mkdir()
    picture(tmp_path / "masks" / "b.png")
    options = ("--mask", tmp_path / "masks", "--batch", 4)
    done = run("annotate", "canny,inpaint", tmp_path / "in", "-o", tmp_path / "out", *options)
    assert done.code == 3
    statuses = [(Path(e["input"]).stem, e["name"], e["status"]) for e in entries(tmp_path / "out")]
    assert statuses == [
        ("a", "canny", "done"),
        ("a", "inpaint", "refused"),
        ("b", "canny", "done"),
        ("b", "inpaint", "done"),
    ]


def test_poses_as_json(run: Run, tmp_path: Path) -> None:
    if "pose_mediapipe" not in registry.names:
        pytest.skip("pose_mediapipe is not here yet")
    photo = Path(underdrawing.__file__).parent / "examples" / "photos" / "astronaut.png"
    assert run("annotate", "pose_mediapipe", photo, "-o", tmp_path, "--json", "--resolution", 256).code == 0
    pose = json.loads((tmp_path / "astronaut.pose_mediapipe.json").read_text())
    assert pose["canvas_width"] == pose["canvas_height"] == 256
    assert len(pose["people"]) == 1
    assert len(pose["people"][0]["pose_keypoints_2d"]) == 18 * 3


def test_help_shows_parameters_with_ranges_and_defaults(run: Run) -> None:
    page = run("annotate", "canny", "--help")
    assert page.code == 0
    for words in (
        "--low-threshold INT",
        "0 to 255, default: 100",
        "--resolution N",
        "CannyEdgePreprocessor",
        "-o, --output DIR",
    ):
        assert words in page.out
    assert max(map(len, page.out.splitlines())) <= 100
    assert "default: on" in run("annotate", "hed_safe", "--help").out
    several = run("annotate", "canny,hed", "--help").out
    assert "--canny.low-threshold" in several
    assert "--hed.safe" in several
    assert "NAME[,NAME...]" in run("annotate", "--help").out
    assert "Exit codes" in run("--help").out


def test_without_a_terminal_there_are_no_control_characters(start: Start, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png")
    child = start("annotate", "canny", photo, "-o", tmp_path / "out")
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0
    assert out == ""
    assert not {c for c in err if ord(c) < 32 and c != "\n"}


def test_clips_keep_their_frames(run: Run, tmp_path: Path) -> None:
    for number in (3, 4, 6):
        picture(tmp_path / "shots" / f"f{number}.png", 60, 40, seed=number)
    words = ("annotate", "canny", tmp_path / "shots", "-o", tmp_path / "out", "--video", "--resolution", 40)
    done = run(*words, "--smoothing", 1, "--damaged", "skip")
    assert done.code == 0
    assert sorted(contents(tmp_path / "out")) == [
        "manifest.jsonl",
        *(f"shots.canny/f{number}.png" for number in (3, 4, 6)),
    ]
    assert "is missing: its number is left out (frame 5)" in done.err
    assert "--smoothing has no effect" in done.err
    assert "1 kept from an earlier run" in run(*words, "--damaged", "skip").err
    refused = run(*words, "--damaged", "stop")
    assert refused.code == 3
    assert "frame 5 (f5) is missing" in refused.err
