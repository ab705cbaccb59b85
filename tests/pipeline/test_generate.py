from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.support import tiny_diffusion
from tests.support.pictures import photo

from underdrawing.core.errors import (
    BadImage,
    BadParameter,
    BadWeights,
    Cancelled,
    MissingExtra,
    UnknownName,
)
from underdrawing.core.hooks import HostHooks
from underdrawing.core.progress import Progress
from underdrawing.pipeline.generate import generate, generate_pictures, make_request
from underdrawing.pipeline.request import Control, Hires
from underdrawing.pipeline.runs.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Generator

    from underdrawing.pipeline.request import Result

tiny_diffusion.require_diffusers()

SMALL: dict[str, Any] = {"checkpoint": "tiny", "width": 64, "height": 64, "steps": 2, "seed": 5, "sampler": "Euler a"}


def draw(folder: Path, prompt: str = "a cat", **fields: Any) -> list[Result]:
    return generate(prompt, model_folders=[folder], lora_folders=[folder], device="cpu", **{**SMALL, **fields})


def pixels(folder: Path, prompt: str = "a cat", **fields: Any) -> np.ndarray[Any, Any]:
    return draw(folder, prompt, **fields)[0].pixels


@pytest.fixture(scope="module")
def plain(tiny_folder: Path) -> np.ndarray[Any, Any]:
    return pixels(tiny_folder)


def test_a_picture_is_the_same_alone_and_in_a_batch(tiny_folder: Path, plain: np.ndarray[Any, Any]) -> None:
    both = draw(tiny_folder, count=2)
    assert [(one.seed, one.pixels.shape) for one in both] == [(5, (64, 64, 3)), (6, (64, 64, 3))]
    assert (both[0].pixels == plain).all()
    assert (both[1].pixels == pixels(tiny_folder, seed=6)).all()
    assert both[1].infotext.startswith(
        "a cat\nSteps: 2, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 6"
    )
    assert (both[1].request.seed, both[1].request.count, both[1].request.cfg) == (6, 1, 7)


def test_a_lora_changes_pictures_while_it_is_named(tiny_folder: Path, plain: np.ndarray[Any, Any]) -> None:
    result = draw(tiny_folder, "a cat <lora:style:1>")[0]
    assert not (result.pixels == plain).all()
    assert (result.loras[0]["name"], result.loras[0]["applied"]) == ("style", 6)
    assert 'Lora hashes: "style: ' in result.infotext
    assert (pixels(tiny_folder, "a cat <lora:style:0>") == plain).all()
    assert (pixels(tiny_folder) == plain).all()
    late = pixels(tiny_folder, "a cat <lora:style:1:1:start=1>")
    assert not (late == plain).all()
    assert not (late == result.pixels).all()


def test_controls_steer_by_their_weight(tiny_folder: Path, plain: np.ndarray[Any, Any]) -> None:
    control = Control(image=photo(), annotator="canny")
    steered = draw(tiny_folder, controls=[control])[0]
    assert not (steered.pixels == plain).all()
    assert steered.maps[0].shape == (64, 64, 3)
    assert 'ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny' in steered.infotext
    off = Control(image=photo(), annotator="canny", weight=0)
    assert (pixels(tiny_folder, controls=[off]) == plain).all()
    ready = Control(image=steered.maps[0], model="control_v11p_sd15_canny")
    assert (pixels(tiny_folder, controls=[ready]) == steered.pixels).all()
    assert Control(image=ready.image, model=ready.model, annotator="map") == ready
    assert not (pixels(tiny_folder, controls=[control, ready]) == steered.pixels).all()


@pytest.mark.parametrize("content", ["original", "fill", "noise", "nothing"])
def test_only_what_is_masked_is_painted_anew(tiny_folder: Path, content: str) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 40:] = 255
    picture = photo(64, 64)
    painted = pixels(tiny_folder, image=picture, mask=mask, mask_content=content, strength=1.0)
    assert (painted[:, :20] == picture[:, :20]).all()
    assert not (painted[:, 50:] == picture[:, 50:]).all()


def test_only_the_masked_area_is_painted_at_the_size_asked_for(tiny_folder: Path) -> None:
    picture, mask = photo(96, 128), np.zeros((96, 128), np.uint8)
    mask[40:60, 70:90] = 255
    area: dict[str, Any] = {"image": picture, "mask": mask, "mask_area": "masked", "mask_padding": 4, "mask_blur": 0}
    result = draw(tiny_folder, **area, strength=1.0, controls=[Control(annotator="canny")])[0]
    assert (result.pixels[mask == 0] == picture[mask == 0]).all()
    assert not (result.pixels[mask > 0] == picture[mask > 0]).all()
    assert result.maps[0].shape == (64, 64, 3), "of the same region"
    assert any("28 x 28 pixels at 66, 36" in note for note in result.notes)
    assert "Inpaint area: Only masked, Masked area padding: 4" in result.infotext
    blank = np.zeros((96, 128), np.uint8)
    everything: dict[str, Any] = {**area, "mask": blank, "mask_invert": True}
    inverted = draw(tiny_folder, **everything)[0]
    assert not any("covers nothing" in note for note in inverted.notes)
    kept = draw(tiny_folder, image=picture, mask=blank + 255, mask_invert=True, width=128, height=96)[0]
    assert (kept.pixels == picture).all()
    assert any("covers nothing" in note for note in kept.notes)


def test_settings_of_samplers_reach_the_run_and_idle_ones_are_reported(
    tiny_folder: Path, plain: np.ndarray[Any, Any]
) -> None:
    result = draw(tiny_folder, eta=0.5)[0]
    assert not (result.pixels == plain).all()
    assert "Eta: 0.5" in result.infotext
    idle = draw(tiny_folder, s_churn=3.0)[0]
    assert (idle.pixels == plain).all()
    assert idle.notes == ("s_churn changes nothing with Euler a",)


def test_a_picture_to_start_from_gives_the_size_and_a_second_pass_enlarges(tiny_folder: Path) -> None:
    started = draw(tiny_folder, image=photo(80, 96), width=0, height=0, strength=0.5)[0]
    assert started.pixels.shape == (80, 96, 3)
    for upscaler in ("latent", "lanczos"):
        enlarged = draw(tiny_folder, hires=Hires(scale=1.5, steps=1, upscaler=upscaler))[0]
        assert enlarged.pixels.shape == (96, 96, 3)
        assert "Size: 64x64" in enlarged.infotext


def test_odd_sizes_long_and_empty_prompts_are_taken(tiny_folder: Path) -> None:
    odd = draw(tiny_folder, "", width=70, height=66)[0]
    assert odd.pixels.shape == (64, 64, 3)
    assert any("no multiple of 8" in note for note in odd.notes)
    assert pixels(tiny_folder, "word, " * 80, negative="bad").shape == (64, 64, 3)
    tagged = draw(tiny_folder, negative="<lora:style:1>")[0]
    assert any("negative" in note for note in tagged.notes)


class Stopping(HostHooks):
    """Cancels after some steps."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        bar, steps = Progress(), self._steps

        class Stop(Progress):
            def show(self, done: int, total: int, message: str) -> None:
                if done == steps:
                    self.cancel()

        yield Stop() if steps else bar


def test_what_is_finished_stays_when_a_run_is_stopped(tiny_folder: Path, plain: np.ndarray[Any, Any]) -> None:
    setting = Setting(host=Stopping(3), folders=(tiny_folder,), loras=(tiny_folder,), device="cpu")
    request = make_request(prompt="a cat <lora:style:1>", count=3, **SMALL)
    found: list[Result] = []
    with pytest.raises(Cancelled):
        found.extend(generate_pictures(request, setting))
    results = generate_pictures(request, setting)
    first = next(results)
    assert first.seed == 5
    with pytest.raises(Cancelled):
        next(results)
    assert (pixels(tiny_folder) == plain).all()


def test_previews_are_shown_on_request(tiny_folder: Path) -> None:
    shown: list[Any] = []
    setting = Setting(folders=(tiny_folder,), device="cpu", preview=shown.append, preview_every=1)
    list(generate_pictures(make_request(prompt="a cat", **SMALL), setting))
    assert [one.shape for one in shown] == [(64, 64, 3)] * 2


def test_fields_are_taken_as_users_have_them() -> None:
    fields = {"seed": np.int64(3), "cfg": np.float32(7), "checkpoint": Path("a.safetensors"), "width": np.int32(64)}
    request = make_request(prompt="a", hires=2, controls=[Control(model=Path("b.pth"), image="c.png")], **fields)  # type: ignore[arg-type]
    assert (request.seed, request.cfg, request.checkpoint, request.width) == (3, 7.0, "a.safetensors", 64)
    assert (request.hires, request.controls[0].model) == (Hires(scale=2.0), "b.pth")
    assert make_request(prompt="a", hires=0).hires is None


FAULTS: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "unknown sampler": ("", {"sampler": "Euler b"}, UnknownName, "Euler a"),
    "unknown schedule": ("", {"scheduler": "karas"}, UnknownName, "karras"),
    "unknown checkpoint": ("", {"checkpoint": "tinny"}, UnknownName, "tiny"),
    "checkpoint that is a LoRA": ("", {"checkpoint": "style"}, BadWeights, "LoRA"),
    "checkpoint without VAE": ("", {"checkpoint": "bare"}, BadWeights, "--vae"),
    "unknown LoRA": ("<lora:styl:1>", {}, UnknownName, "style"),
    "LoRA of another model": ("<lora:other:1>", {}, BadWeights, "nothing of it fits"),
    "weight that is no number": ("(a:1.2.3)", {}, BadParameter, "1.2.3"),
    "no ControlNet": ("", {"controls": [Control(image=photo(), annotator="hed")]}, UnknownName, "softedge"),
    "ControlNet of another model": (
        "",
        {"controls": [Control(image=photo(), model="other_net")]},
        BadParameter,
        "SDXL",
    ),
    "unknown annotator": ("", {"controls": [Control(image=photo(), annotator="cany")]}, UnknownName, "canny"),
    "no picture": ("", {"image": "nowhere.png"}, BadImage, "nowhere"),
    "mask alone": ("", {"mask": photo()}, BadParameter, "picture to start from"),
    "mask of nothing": (
        "",
        {"image": photo(), "mask": np.zeros_like(photo()), "mask_area": "masked"},
        BadParameter,
        "no masked area",
    ),
    "second pass of a picture": ("", {"image": photo(), "hires": Hires()}, BadParameter, "larger size"),
    "too small": ("", {"width": 8}, BadParameter, "too few"),
    "too much clip skip": ("", {"clip_skip": 9}, BadParameter, "layers"),
    "unknown upscaler": ("", {"hires": Hires(upscaler="esrgan")}, UnknownName, "lanczos"),
    "unknown field": ("", {"stepps": 3}, BadParameter, "steps"),
    "field of another type": ("", {"noise": "gpu"}, BadParameter, "gpu"),
}


@pytest.fixture(scope="module")
def faulty_folder(tiny_folder: Path) -> Path:
    """The same folder with files that do not fit."""
    from safetensors.torch import save_file
    from tests.support.tiny_loras import write_lora

    table = {name: value for name, value in tiny_diffusion.make_ldm_table().items() if "first_stage" not in name}
    save_file({name: value.contiguous() for name, value in table.items()}, tiny_folder / "bare.safetensors")
    write_lora(tiny_folder / "other.safetensors", width=48)
    tiny_diffusion.build_controlnet("sdxl").save_pretrained(tiny_folder / "other_net")
    return tiny_folder


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_a_named_error(faulty_folder: Path, name: str) -> None:
    prompt, fields, error, text = FAULTS[name]
    with pytest.raises(error, match=text):
        draw(faulty_folder, prompt, **fields)


def test_numbers_that_are_not_finite_are_a_named_error(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.pipeline.runs import job

    broken = tiny_diffusion.make_model("sd1")
    broken.unet.conv_out.bias.fill_(torch.nan)

    def take_broken(*_: object) -> Any:
        return broken

    monkeypatch.setattr(job, "load_base", take_broken)
    with pytest.raises(BadWeights, match="NaN"):
        draw(tiny_folder)


@pytest.mark.parametrize("module", ["diffusers", "transformers"])
def test_a_missing_package_is_a_named_error(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    from underdrawing.core.networks import cache

    cache.unload()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pipeline|diffusers|transformers"):
        draw(tiny_folder)
