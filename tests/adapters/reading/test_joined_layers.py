"""Layers that makers join or turn round: rows as diffusers has them, repetitions left out, misfits named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter

WIDTH = 3072
STEM = "lora_unet_double_blocks_0_img_attn"


def factors(stem: str, rows: int, columns: int = WIDTH, rank: int = 2) -> dict[str, Tensor]:
    return {f"{stem}.lora_down.weight": torch.randn(rank, columns), f"{stem}.lora_up.weight": torch.randn(rows, rank)}


def load(folder: Path, tensors: dict[str, Tensor]) -> Adapter:
    save_file(tensors, folder / "a.safetensors", {"modelspec.architecture": "flux-1-dev/lora"})
    return load_adapter(folder / "a.safetensors")


def test_halves_of_the_final_layer_change_places(tmp_path: Path) -> None:
    tensors = factors("lora_unet_final_layer_adaLN_modulation_1", 2 * WIDTH)
    delta = load(tmp_path, tensors).modules["transformer.norm_out.linear"]
    assert isinstance(delta, LowRank)
    up = tensors["lora_unet_final_layer_adaLN_modulation_1.lora_up.weight"]
    assert torch.equal(delta.up, up.roll(WIDTH, 0))


def test_a_bias_alone_changes_places_too(tmp_path: Path) -> None:
    name = "diffusion_model.final_layer.adaLN_modulation.1"
    bias = torch.randn(2 * WIDTH)
    tensors = {f"{name}.diff_b": bias, **factors(f"{STEM}_proj", WIDTH)}
    delta = load(tmp_path, tensors).modules["transformer.norm_out.linear"]
    assert delta.bias is not None
    assert torch.equal(delta.bias, bias.roll(WIDTH, 0))


@pytest.mark.parametrize("same", [True, False])
def test_a_joined_layer_beside_its_parts_is_left_out(tmp_path: Path, same: bool) -> None:
    parts = [factors(f"lora_unet_transformer_blocks_0_attn_{name}", WIDTH) for name in ("to_q", "to_k", "to_v")]
    downs, ups = zip(*(tuple(part.values()) for part in parts), strict=True)
    joined = {f"{STEM}_qkv.lora_down.weight": torch.cat(downs), f"{STEM}_qkv.lora_up.weight": torch.block_diag(*ups)}
    if not same:
        joined = factors(f"{STEM}_qkv", 3 * WIDTH)
    adapter = load(tmp_path, {key: tensor for part in parts for key, tensor in part.items()} | joined)
    assert len(adapter.modules) == 3
    assert adapter.unused.keys() == joined.keys()
    assert all(("repeats" if same else "differs from") in reason for reason in adapter.unused.values())


def test_an_odd_number_of_rows_is_refused_by_name(tmp_path: Path) -> None:
    name = "lora_unet_final_layer_adaLN_modulation_1"
    adapter = load(tmp_path, {**factors(name, 2 * WIDTH + 1), **factors(f"{STEM}_proj", WIDTH)})
    delta = adapter.modules.get("transformer.norm_out.linear")
    if delta is None:
        assert any("halves" in reason for reason in adapter.unused.values())
    else:  # nothing tells its halves: it fits no weight of the model
        with pytest.raises(BadWeights, match="does not fit"):
            delta.check((2 * WIDTH, WIDTH))


QKV = f"{STEM}_qkv"
HOSTILE = {
    "rank 0": (factors(QKV, 3 * WIDTH, rank=0), "axes are expected"),
    "alpha NaN": ({**factors(QKV, 3 * WIDTH), f"{QKV}.alpha": torch.tensor(float("nan"))}, "alpha is nan"),
    "one factor": ({f"{QKV}.lora_up.weight": torch.ones(3 * WIDTH, 2)}, "missing"),
    "NaN": ({**factors(QKV, 3 * WIDTH), f"{QKV}.lora_up.weight": torch.full((9216, 2), float("nan"))}, "NaN"),
    "two magnitudes": (
        {
            **factors(QKV, 3 * WIDTH),
            f"{QKV}.dora_scale": torch.ones(3 * WIDTH, 1),
            f"{QKV}.magnitude": torch.ones(3 * WIDTH),
        },
        "both",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_broken_layers_are_refused_by_name(tmp_path: Path, name: str) -> None:
    tensors, words = HOSTILE[name]
    good = factors(f"{STEM}_proj", WIDTH)
    adapter = load(tmp_path, {**tensors, **good})
    joined = adapter.modules.get("transformer.double_blocks.0.img_attn.qkv")
    if joined is not None:
        with pytest.raises(BadWeights, match=words):
            joined.check((3 * WIDTH, WIDTH))
    else:
        reasons = [reason for key, reason in adapter.unused.items() if key in tensors]
        assert reasons
        with pytest.raises(BadWeights, match=words):
            raise BadWeights("; ".join(reasons))
    assert "transformer.transformer_blocks.0.attn.to_out.0" in adapter.modules
