"""Infotexts of other programs as requests."""

from __future__ import annotations

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.infotext.reading import MADE_FROM, read_infotext

START = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


def test_noise_is_that_of_a_gpu_unless_said() -> None:
    assert read_infotext(START).request.noise == "nv"
    assert read_infotext(f"{START}, RNG: CPU").request.noise == "cpu"
    strange = read_infotext(f"{START}, RNG: TPU")
    assert strange.request.noise == "cpu"
    assert "TPU" in strange.notes[0]


def test_what_is_not_repeated_is_noted() -> None:
    reading = read_infotext(f"{START}, RNG: CPU, Face restoration: GFPGAN, Version: v1.10.1, Batch size: 2")
    assert reading.notes == ("Face restoration (GFPGAN) is not repeated",)


def test_automatic_is_the_samplers_own_schedule() -> None:
    assert read_infotext(f"{START}, Schedule type: Automatic").request.scheduler == ""
    assert read_infotext(f"{START}, Schedule type: SGM Uniform").request.scheduler == "SGM Uniform"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("just a prompt", "no generation parameters"),
        ("", "no generation parameters"),
        (START.replace("20", "many"), "steps"),
        (f'{START}, ControlNet 0: "Module: canny, Weight: heavy"', "weight"),
        (f"{START}, Model: //server/share/a", "another computer"),
        (f"{START}, Hires upscale: twice", "scale"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, part: str) -> None:
    with pytest.raises(BadParameter, match=part):
        read_infotext(text)


def test_numbers_without_end_are_left_out() -> None:
    reading = read_infotext(f'{START}, ControlNet 0: "Module: canny, Processor Res: {"9" * 5000}", Other: {"x" * 5000}')
    assert reading.request.controls[0].params == {}
    assert len(reading.notes[0]) < 300


def test_how_a_picture_was_painted_is_read_and_what_is_missing_is_said() -> None:
    text = (
        f"{START}, Denoising strength: 0.6, Mask mode: Inpaint not masked, Mask blur: 6, Masked content: latent noise"
    )
    reading = read_infotext(f"{text}, Inpaint area: Only masked, Masked area padding: 48")
    request = reading.request
    assert (request.mask_invert, request.mask_blur, request.mask_content) == (True, 6, "noise")
    assert (request.mask_area, request.mask_padding, request.strength) == ("masked", 48, 0.6)
    assert reading.notes == (f"{MADE_FROM} and a mask; name them again",)
    hard = read_infotext(f"{START}, Denoising strength: 0.6, Masked content: fill").request
    assert (hard.mask_blur, hard.mask_content) == (0, "fill"), "A1111 leaves the blur out where there is none"
    plain = read_infotext(f"{START}, Denoising strength: 0.6")
    assert (plain.request.mask_blur, len(plain.notes)) == (4, 1)
    assert read_infotext(f"{START}, Denoising strength: 0.6, Hires upscale: 2").notes == ()
    strange = read_infotext(f"{START}, Masked content: stars")
    assert strange.request.mask_content == "original"
    assert "stars" in strange.notes[0]


def test_settings_of_samplers_are_read_by_a1111s_labels() -> None:
    request = read_infotext(f"{START}, Eta: 0.4, Sigma noise: 1.02, ENSD: 31337").request
    assert (request.eta, request.s_noise, request.noise_seed_delta) == (0.4, 1.02, 31337)
    ddim = read_infotext("a\nSteps: 9, Sampler: DDIM, Seed: 1, Eta DDIM: 0.3, Sigma churn: 2, Sigma tmax: 0").request
    assert (ddim.eta, ddim.s_churn, ddim.s_tmax) == (0.3, 2, 0)


def test_a_size_that_is_none_is_noted() -> None:
    reading = read_infotext(f"{START}, Size: 512\u00d7512, RNG: CPU, Model: m")
    assert (reading.request.width, reading.gaps) == (0, ())
    assert reading.notes == ("Size (512\u00d7512) is no size: the model's is taken",)
