"""Sizes of the second pass, counted as A1111 1.10 counted them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.support import tiny_diffusion
from tests.support.pictures import photo

from underdrawing.core.errors import BadParameter, UnknownName
from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.request import Hires
from underdrawing.pipeline.runs.enlarging import UPSCALERS, enlarge_latents, enlarge_picture, plan_enlargement


@pytest.mark.parametrize(
    ("size", "hires", "full", "result"),
    [
        (Size(512, 512), Hires(scale=1.5), (768, 768), (768, 768)),
        (Size(64, 64), Hires(scale=1.7), (108, 108), (104, 104)),
        (Size(64, 64), Hires(width=96, height=128), (128, 128), (128, 96)),
        (Size(64, 64), Hires(width=128, height=96), (128, 128), (96, 128)),
        (Size(64, 96), Hires(width=128), (85, 128), (80, 128)),
        (Size(64, 96), Hires(height=128), (128, 192), (128, 192)),
    ],
)
def test_sizes(size: Size, hires: Hires, full: Any, result: Any) -> None:
    plan = plan_enlargement(size, hires, 8)
    assert (plan.full, plan.size) == (full, result)


@given(st.integers(8, 64), st.integers(8, 64), st.integers(64, 1024), st.integers(64, 1024))
def test_what_is_asked_for_is_covered_and_cut_out(height: int, width: int, tall: int, wide: int) -> None:
    size = Size(height * 8, width * 8)
    try:
        plan = plan_enlargement(size, Hires(height=tall, width=wide), 8)
    except BadParameter:
        return
    assert all(side % 8 == 0 for side in plan.size)
    assert all(own <= whole for own, whole in zip(plan.size, plan.full, strict=True))
    assert plan.size.width - 16 < wide < plan.size.width + 16
    assert plan.size.height - 16 < tall < plan.size.height + 16


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(UnknownName, match="no upscaler"):
        plan_enlargement(Size(64, 64), Hires(upscaler="magic"), 8)


def test_every_way_answers_with_latents_of_the_size() -> None:
    tiny_diffusion.require_diffusers()
    model = tiny_diffusion.make_model("sd1")
    plan = plan_enlargement(Size(64, 64), Hires(width=96, height=80), 8)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = {name: enlarge_latents(model, latents, plan, name) for name in UPSCALERS}
    assert {tuple(value.shape) for value in found.values()} == {(1, 4, 10, 12)}
    assert not torch.equal(found["latent"], found["latent-bicubic"])


def test_a_picture_is_enlarged_by_the_longer_sides_scale_and_brought_to_size_by_lanczos() -> None:
    """Of 72 x 64 by 1.37: 98 x 87 as asked for, 96 x 80 as A1111's upscalers answer, 98 x 87."""
    picture = Image.fromarray(photo()).resize((72, 64))
    by_hand = picture.resize((98, 87), Image.Resampling.NEAREST)
    for size in ((96, 80), (98, 87)):
        by_hand = by_hand.resize(size, Image.Resampling.LANCZOS)
    assert enlarge_picture(picture, Size(87, 98), "nearest").tobytes() == by_hand.tobytes()
    once = picture.resize((98, 87), Image.Resampling.LANCZOS)
    assert enlarge_picture(picture, Size(87, 98), "none").tobytes() == once.tobytes()
    assert enlarge_picture(picture, Size(64, 72), "nearest").tobytes() == picture.tobytes()
    little = picture.resize((75, 67), Image.Resampling.LANCZOS)
    assert enlarge_picture(picture, Size(67, 75), "nearest").tobytes() == little.tobytes(), (
        "no multiple of 8 lies between"
    )
