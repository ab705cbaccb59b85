"""Whose text encoder keys without a number are: the refiner's only one is the second part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from underdrawing.adapters import load_adapter
from underdrawing.adapters.reading.lone_encoder import find_lone_encoder

FIRST, SECOND = "text_encoder", "text_encoder_2"


def layer(prefix: str, number: int, width: int, *, dot: str = "_") -> dict[str, Tensor]:
    name = f"{prefix}encoder.layers.{number}.self_attn.q_proj".replace(".", dot)
    suffix = "lora_{}.weight"
    sides = ("up", "down") if dot == "_" else ("B", "A")
    stem = f"{prefix}{name.removeprefix(prefix.replace('.', dot))}"
    return {
        f"{stem}.{suffix.format(sides[0])}": torch.ones(width, 2),
        f"{stem}.{suffix.format(sides[1])}": torch.ones(2, width),
    }


@pytest.mark.parametrize(
    ("width", "number", "part"),
    [(768, 0, FIRST), (1024, 22, FIRST), (1280, 0, SECOND), (1280, 31, SECOND), (16, 0, FIRST), (16, 30, SECOND)],
)
@pytest.mark.parametrize("prefix", ["lora_te_text_model_", "lycoris_te_text_model_"])
def test_kohya_s_unnumbered_prefix(prefix: str, width: int, number: int, part: str, tmp_path: Path) -> None:
    save_file(layer(prefix, number, width), tmp_path / "a.safetensors")
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert list(adapter.modules) == [f"{part}.encoder.layers.{number}.self_attn.q_proj"]


@pytest.mark.parametrize(("width", "part"), [(768, FIRST), (1280, SECOND)])
@pytest.mark.parametrize("prefix", ["base_model.model.text_model.", "text_model.", "base_model.model."])
def test_dotted_names_without_a_part(prefix: str, width: int, part: str, tmp_path: Path) -> None:
    tensors = (
        layer(prefix, 3, width, dot=".") | layer(prefix, 20, width, dot=".")
        if part == SECOND
        else layer(prefix, 3, width, dot=".")
    )
    save_file(tensors, tmp_path / "a.safetensors")
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert not adapter.unused
    assert {name.partition(".")[0] for name in adapter.modules} == {part}


def test_beside_the_refiner_s_unet() -> None:
    unet = {
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": torch.ones(2, 1280)
    }
    encoder = {"lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1": torch.ones(2, 2)}
    assert find_lone_encoder(unet | encoder) == SECOND
    assert find_lone_encoder(encoder) == FIRST
    assert (
        find_lone_encoder({**unet, **encoder, "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha": torch.ones(1)})
        == FIRST
    )
