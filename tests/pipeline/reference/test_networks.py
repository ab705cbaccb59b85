from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the extra pipeline is not installed")
pytest.importorskip("transformers", reason="the extra pipeline is not installed")

from underdrawing.pipeline.reference.networks import build_text_encoder, build_unet, build_vae
from underdrawing.pipeline.reference.training.controls import KINDS, RANK, WHOLE, build_control
from underdrawing.pipeline.training.controls.low_rank import LowRankControl

LIMIT = 45_000_000
"""Bytes of everything in half precision."""


def count(module: object) -> int:
    return sum(value.numel() for value in module.parameters())  # type: ignore[attr-defined]


def test_everything_together_is_small() -> None:
    unet = build_unet()
    control = build_control(unet)
    total = count(unet) + count(build_vae()) + count(build_text_encoder(704)) + len(WHOLE) * count(control)
    total += (len(KINDS) - len(WHOLE)) * count(LowRankControl(control, RANK))
    assert 2 * total <= LIMIT


def test_the_structure_is_sd1s() -> None:
    names = set(build_unet().state_dict())
    assert "up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_out.0.bias" in names
    assert "down_blocks.2.downsamplers.0.conv.weight" in names
    assert len(names) == 686, "as many as SD1's UNet has"
    assert len(build_vae().state_dict()) == 248
    assert any(name.endswith("encoder.layers.11.mlp.fc2.weight") for name in build_text_encoder(704).state_dict())
