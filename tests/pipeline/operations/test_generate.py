from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.support.pictures import photo

from underdrawing.core.errors import BadParameter, WriteFailed
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.pipeline.infotext.pictures import encode_picture
from underdrawing.pipeline.operations.generate import Generate, GenerateParams, build_request, list_folders
from underdrawing.pipeline.request import Control, Hires, Request

if TYPE_CHECKING:
    from underdrawing.core.operation import Report


def test_a_prompt_and_options_make_a_request() -> None:
    params = GenerateParams(
        control="canny:weight=0.5=a b.png\nmap:model=x=c.png", hires=2.0, hires_steps=4, image="d.png", steps=9
    )
    request, notes = build_request("a cat", params)
    assert notes == ()
    assert request == Request(
        prompt="a cat",
        steps=9,
        image=Path("d.png"),
        hires=Hires(steps=4),
        controls=(
            Control(annotator="canny", weight=0.5, image=Path("a b.png")),
            Control(model="x", image=Path("c.png")),
        ),
    )
    assert build_request("", GenerateParams())[0] == Request(prompt="")


def test_no_prompt_and_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="no prompt"):
        build_request(None, GenerateParams())
    with pytest.raises(BadParameter, match="no folder"):
        list_folders(str(tmp_path), str(tmp_path / "missing"))


def test_options_of_a_second_pass_that_is_not_there_are_refused() -> None:
    alone = (
        GenerateParams(hires_steps=5),
        GenerateParams(hires_strength=0.5),
        GenerateParams(hires_upscaler="lanczos"),
    )
    for params in alone:
        with pytest.raises(BadParameter, match="there is none"):
            build_request("a ball", params)
    request, _ = build_request("a ball", GenerateParams(hires=2.0, hires_steps=5))
    assert request.hires is not None


def test_a_size_asks_for_a_second_pass_without_a_scale(tmp_path: Path) -> None:
    request, _ = build_request("a ball", GenerateParams(hires_width=96, hires_steps=5))
    assert request.hires == Hires(width=96, steps=5)
    plain = GenerateParams(from_png=write_picture(tmp_path / "a.png", request), hires_width=64, hires_height=128)
    assert build_request(None, plain)[0].hires == Hires(width=64, height=128, steps=5)
    with pytest.raises(BadParameter, match="there is none"):
        build_request("a ball", GenerateParams(hires_width=96), {"hires"})


def write_picture(path: Path, request: Request) -> str:
    path.write_bytes(encode_picture(np.zeros((8, 8, 3), np.uint8), "", request))
    return str(path)


def test_options_count_instead_of_what_a_picture_says_also_with_their_usual_values(tmp_path: Path) -> None:
    made = Request(
        prompt="a cat", negative="dogs", steps=9, cfg=4.0, seed=3, sampler="Euler a", scheduler="Karras", eta=0.5,
        checkpoint="tiny", hires=Hires(scale=1.5, steps=4), image=Path("a.png"), mask=Path("m.png"), mask_invert=True,
        controls=(Control(annotator="canny"),),
    )  # fmt: skip
    repeat = GenerateParams(from_png=write_picture(tmp_path / "a.png", made))
    assert build_request(None, repeat)[0] == made
    same = set(GenerateParams.__struct_fields__) - {"hires_steps", "hires_strength", "hires_upscaler"}
    assert build_request("", repeat, same)[0] == Request(prompt=""), "every option was given with its usual value"
    given = build_request(None, repeat, {"steps", "sampler", "hires_steps", "mask_invert", "cfg"})[0]
    assert (given.steps, given.sampler, given.cfg, given.mask_invert) == (20, "DPM++ 2M", 0.0, False)
    assert (given.hires, given.scheduler, given.image) == (Hires(scale=1.5), "Karras", Path("a.png"))
    enlarged = build_request(None, GenerateParams(from_png=repeat.from_png, hires=3.0))[0]
    assert enlarged.hires == Hires(scale=3.0, steps=4), "what is not given stays"
    with pytest.raises(BadParameter, match="hires_steps says"):
        build_request(None, repeat, {"hires", "hires_steps"})


def test_a_picture_that_was_named_again_is_not_asked_for(tmp_path: Path) -> None:
    text = "a\nSteps: 9, Sampler: Euler a, CFG scale: 7, Seed: 1, Model: m, Denoising strength: 0.5, RNG: CPU"
    info = PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    repeat = GenerateParams(from_png=str(tmp_path / "a.png"))
    assert "name it again" in build_request(None, repeat)[1][0]
    assert build_request(None, msgspec.structs.replace(repeat, image="b.png"))[1] == ()


def test_what_a_text_does_not_say_is_reported_unless_it_is_given(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", "a\nSeed: 1, Version: v1.10.1, Clip skip: 2")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    repeat = GenerateParams(from_png=str(tmp_path / "a.png"))
    notes = build_request(None, repeat)[1]
    for words in ("20 are made", "DPM++ 2M takes", "CFG scale", "the size", "no model", "give noise cpu"):
        assert any(words in note for note in notes), words
    assert len(notes) == 6, "the seed is there"
    given = msgspec.structs.replace(repeat, noise="cpu", sampler="Euler", checkpoint="x", steps=9, cfg=3.0, height=64)
    assert build_request(None, given, {"noise"})[1] == ()


def test_a_mask_of_a_text_that_names_no_blur_is_hard(tmp_path: Path) -> None:
    """A1111 writes no blur of 0."""
    info, mask = PngInfo(), str(tmp_path / "mask.png")
    text = "a\nSteps: 9, Sampler: Euler a, CFG scale: 7, Seed: 1, Model: m, Denoising strength: 0.5, RNG: CPU"
    info.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    repeat = GenerateParams(from_png=str(tmp_path / "a.png"), image="b.png", mask=mask)
    request, notes = build_request(None, repeat)
    assert request.mask_blur == 0
    assert ["edge stays hard" in note for note in notes] == [True]
    assert build_request(None, repeat, {"mask_blur"})[0].mask_blur == 4
    info = PngInfo()
    info.add_text("parameters", f"{text}, Mask blur: 7")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert build_request(None, repeat)[0].mask_blur == 7


def test_another_lora_file_than_the_pictures_is_reported(tmp_path: Path, options: dict[str, Any]) -> None:
    drawn = draw(tmp_path / "out", "a cat <lora:style:0.5>", {**options, "steps": 1, "count": 1})
    row = drawn.data["pictures"][0]
    info = PngInfo()
    info.add_text("parameters", row["infotext"].replace('Lora hashes: "style: ', 'Lora hashes: "style: 00'))
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png", pnginfo=info)
    folders = {name: options[name] for name in ("checkpoint_dir", "lora_dir", "device")}
    again = draw(tmp_path / "again", None, {"from_png": str(tmp_path / "other.png"), **folders})
    assert any("LoRA style is another file than the picture's" in note for note in again.data["notes"])
    same = draw(tmp_path / "again", None, {"from_png": row["file"], **folders})
    assert not any("another file" in note for note in same.data["notes"])


def test_which_options_were_given_reaches_the_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    module = sys.modules[Generate.__module__]

    def take(_: str | None, __: GenerateParams, given: Any = ()) -> Any:
        taken.append(given)
        raise BadParameter("enough")

    monkeypatch.setattr(module, "build_request", take)
    with pytest.raises(BadParameter, match="enough"):
        draw(tmp_path, "a cat", {"steps": 20, "from_png": "a.png"})
    assert taken == [{"steps", "from_png"}]


def test_values_that_a_request_has_too_have_its_defaults() -> None:
    request, params = Request(prompt=""), GenerateParams()
    shared = set(Request.__struct_fields__) & set(GenerateParams.__struct_fields__) - {"image", "mask", "hires"}
    usual = {name: getattr(request, name) for name in shared} | {"checkpoint": ""}
    assert {name: getattr(params, name) for name in shared} == usual


@pytest.fixture
def options(tiny_folder: Path) -> dict[str, Any]:
    folders = {"checkpoint_dir": str(tiny_folder), "controlnet_dir": "", "lora_dir": str(tiny_folder)}
    return {"checkpoint": "tiny", "width": 64, "height": 64, "steps": 2, "seed": 5, "device": "cpu", **folders}


def draw(output: Path, prompt: str | None, values: dict[str, Any], host: HostHooks | None = None) -> Report:
    inputs = {"output": output, "prompt": prompt}
    return run(operations()["generate"], inputs, values, Job(host or HostHooks()))


def test_pictures_are_written_and_repeated_byte_for_byte(tmp_path: Path, options: dict[str, Any]) -> None:
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    control = f"canny:weight=0.7={tmp_path / 'photo.png'}"
    report = draw(tmp_path / "out", "a [cat:dog:0.5] <lora:style:0.5>", {**options, "count": 2, "control": control})
    rows = report.data["pictures"]
    assert json.loads(json.dumps(report.data)) == report.data
    assert [Path(row["file"]).name for row in rows] == ["00000-5.png", "00001-6.png"]
    assert [row["loras"][0]["applied"] for row in rows] == [6, 6]
    assert Image.open(rows[0]["file"]).info["parameters"] == rows[0]["infotext"]
    folders = {name: options[name] for name in ("checkpoint_dir", "lora_dir", "device")}
    again = draw(tmp_path / "out", None, {"from_png": rows[1]["file"], "maps": True, **folders})
    assert Path(again.data["pictures"][0]["file"]).name == "00002-6.png"
    assert again.files[0].read_bytes() == Path(rows[1]["file"]).read_bytes()
    assert again.files[1].name == "00002-6-map0.png"
    other = draw(tmp_path / "out", "a dog", {"from_png": rows[1]["file"], **folders})
    assert other.data["pictures"][0]["infotext"].startswith("a dog\n")


class Interrupting(HostHooks):
    """Ends the run when the first picture has been written."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_finished_pictures_stay_when_the_user_stops(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from underdrawing.pipeline.runs.passes import Passes

    draw_picture = Passes.draw

    def stop_later(self: Passes, seed: Any) -> Any:
        if seed.seed == 6:
            raise KeyboardInterrupt
        return draw_picture(self, seed)

    monkeypatch.setattr(Passes, "draw", stop_later)
    host = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, "a cat", {**options, "count": 3, "preview_every": 1}, host)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["00000-5.png", "preview.png"]
    assert any("1 of 3 pictures are finished: 00000-5.png in" in note for note in host.notes)


CHILD = """
import sys, threading
import numpy as np
from underdrawing import cli
from underdrawing.pipeline import generate
from underdrawing.pipeline.runs import output as operation
from underdrawing.pipeline.request import Result

late = sys.argv[2] == "late"

def pretend(request, setting):
    for seed in range(2):
        yield Result(pixels=np.zeros((8, 8, 3), np.uint8), seed=seed, subseed=-1, request=request)
    print("ready", flush=True)
    threading.Event().wait()

def write_all(path, content, write=operation.atomic_write):
    write(path, content)
    if late and path.name.startswith("00001"):
        print("ready", flush=True)
        threading.Event().wait()

generate.generate_pictures, operation.atomic_write = pretend, write_all
sys.argv = ["underdrawing", "generate", "a ball", "--count", "9", "--json", "-o", sys.argv[1]]
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("moment", ["between", "late"])
def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path: Path, moment: str) -> None:
    """Between two pictures, and after a file was written that no row of the report has yet."""
    words = [sys.executable, "-c", CHILD, str(tmp_path / "out"), moment]
    places = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3] / ".dev")}
    start = subprocess.Popen(
        words, env=places, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip
    with start as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
        child.send_signal(signal.SIGINT)
        printed, errors = child.communicate()
    assert child.returncode == 130
    stopped = json.loads(printed)
    assert [Path(row["file"]).name for row in stopped["pictures"]] == ["00000-0.png", "00001-1.png"]
    assert (stopped["stopped"], stopped["notes"]) == ("interrupted", [])
    assert "2 of 9 pictures are finished: 00000-0.png, 00001-1.png in" in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000-0.png", "00001-1.png"]


def test_a_full_disk_is_a_named_error(tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core import files

    def refuse(folder: Path, size: int) -> None:
        raise OSError(files.errno.ENOSPC, os.strerror(files.errno.ENOSPC))

    monkeypatch.setattr(files, "check_free_space", refuse)
    host = Interrupting()
    with pytest.raises(WriteFailed):
        draw(tmp_path, "a cat", options, host)
    assert host.notes == [], "nothing was finished, so nothing is said of it"


def test_the_command_stands_alone() -> None:
    assert (Generate.spec.group, Generate.spec.verb, Generate.spec.command) == ("generate", "", "generate")
