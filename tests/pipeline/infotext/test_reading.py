"""Infotexts of other programs as requests."""

from __future__ import annotations

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.infotext.reading import read_infotext

START = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


def test_noise_is_that_of_a_gpu_unless_said() -> None:
    assert read_infotext(START).request.noise == "nv"
    assert read_infotext(f"{START}, RNG: CPU").request.noise == "cpu"
    strange = read_infotext(f"{START}, RNG: TPU")
    assert strange.request.noise == "cpu"
    assert "TPU" in strange.notes[0]


def test_what_is_not_repeated_is_noted() -> None:
    reading = read_infotext(f"{START}, Face restoration: GFPGAN, Version: v1.6.0, Batch size: 2")
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
