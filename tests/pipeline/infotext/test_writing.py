"""Requests as infotexts, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.pipeline.infotext.facts import ControlFacts, Facts
from underdrawing.pipeline.infotext.reading import read_infotext
from underdrawing.pipeline.infotext.writing import write_infotext
from underdrawing.pipeline.request import Control, Hires, Request

if TYPE_CHECKING:
    from underdrawing.pipeline.request import MaskArea, MaskContent

FACTS = Facts(
    seed=7, width=512, height=640, sampler="DPM++ 2M", scheduler="Karras", model="a model", model_hash="0123456789"
)
WORDS = st.text(st.characters(whitelist_categories=("L", "N"), whitelist_characters=" ,:()<>[]"), max_size=30)


def test_fields_stand_in_a1111s_order() -> None:
    request = Request(prompt="a cat", negative="dogs", cfg=7.0, clip_skip=2, noise_seed_delta=31337)
    assert write_infotext(request, FACTS) == (
        "a cat\nNegative prompt: dogs\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 512x640, "
        "Model hash: 0123456789, Model: a model, Clip skip: 2, ENSD: 31337, RNG: CPU, Version: underdrawing 0.1.0"
    )


def test_a_control_is_written_as_a_unit() -> None:
    control = ControlFacts(module="canny", model="control, canny", short_hash="aa", weight=0.8, mode="control")
    text = write_infotext(Request(prompt="a"), msgspec.structs.replace(FACTS, controls=(control,)))
    assert 'ControlNet 0: "Module: canny, Model: control canny [aa], Weight: 0.8, ' in text
    (read,) = read_infotext(text).request.controls
    assert read == Control(
        annotator="canny", model="control canny [aa]", weight=0.8, mode="control", params={"resolution": 512}
    )


def test_strength_stands_where_a_picture_is_changed() -> None:
    plain = Request(prompt="a", strength=0.4)
    assert "Denoising" not in write_infotext(plain, FACTS)
    changed = msgspec.structs.replace(plain, image=Path("a.png"))
    assert "Denoising strength: 0.4" in write_infotext(changed, FACTS)
    assert read_infotext(write_infotext(changed, FACTS)).request.strength == 0.4
    enlarged = msgspec.structs.replace(plain, hires=Hires(scale=1.5, strength=0.3, upscaler="lanczos"))
    assert read_infotext(write_infotext(enlarged, FACTS)).request.hires == enlarged.hires


@settings(max_examples=40)
@given(
    st.builds(
        Request,
        prompt=WORDS.map(str.strip),
        negative=WORDS.map(str.strip),
        steps=st.integers(1, 150),
        cfg=st.floats(0, 30, allow_nan=False),
        clip_skip=st.integers(1, 12),
        subseed_strength=st.floats(0, 1),
        noise_seed_delta=st.integers(0, 2**32),
        noise=st.sampled_from(["cpu", "nv"]),
    )
)
def test_a_request_comes_back(request: Request) -> None:
    reading = read_infotext(write_infotext(request, msgspec.structs.replace(FACTS, subseed=9)))
    expected = msgspec.structs.replace(
        request,
        seed=7,
        subseed=9 if request.subseed_strength else -1,
        width=512,
        height=640,
        scheduler="Karras",
        checkpoint="a model [0123456789]",
    )
    assert reading.request == expected
    assert reading.notes == ()


@pytest.mark.parametrize("content", ["original", "fill", "noise", "nothing"])
@pytest.mark.parametrize("area", ["whole", "masked"])
def test_masks_are_written_as_a1111_does(content: MaskContent, area: MaskArea) -> None:
    changed = Request(prompt="a", image=Path("a.png"), mask=Path("m.png"), mask_content=content, mask_area=area)
    request = msgspec.structs.replace(changed, mask_invert=True, mask_blur=6.0, mask_padding=8)
    text = write_infotext(request, FACTS)
    assert "Mask mode: Inpaint not masked, Mask blur: 6, " in text
    assert ("Inpaint area: Only masked, Masked area padding: 8" in text) == (area == "masked")
    read = read_infotext(text).request
    names = ("mask_content", "mask_area", "mask_invert", "mask_blur", "strength")
    assert [getattr(read, name) for name in names] == [getattr(request, name) for name in names]
    assert "Mask" not in write_infotext(msgspec.structs.replace(request, mask=None), FACTS)
