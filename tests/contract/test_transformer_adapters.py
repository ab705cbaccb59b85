"""Adapters on transformers: in diffusers' spelling and the maker's they do the same, and come off byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.adapter_models import model
from tests.support.transformer_models import (
    PREFIX,
    join_lora,
    make_adapter,
    make_lora,
    make_weights,
    shrink,
    to_original,
)

from underdrawing.adapters import Patcher
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.core.errors import WriteFailed

if TYPE_CHECKING:
    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.modules.layers import Module

MODELS = sorted(TRANSFORMER_MODELS)


def patch(weights: dict[str, Tensor], *adapters: tuple[Adapter, float]) -> dict[str, Tensor]:
    """Copies of the patched weights; looks that they come off."""
    before = {key: tensor.clone() for key, tensor in weights.items()}
    objects = dict(weights)
    with Patcher(transformer=weights) as patcher:
        receipt = patcher.set([(adapter, strength, 0.0) for adapter, strength in adapters])
        after = {key: tensor.clone() for key, tensor in weights.items()}
    assert not receipt.skipped, receipt.to_json()
    assert weights.keys() == before.keys()
    assert all(weights[key] is objects[key] and torch.equal(weights[key], before[key]) for key in before)
    return after


def expect(modules: dict[str, Module], weights: dict[str, Tensor], *loras: tuple[Adapter, float]) -> dict[str, Tensor]:
    """By the formula, in float64."""
    made = {key: tensor.double() for key, tensor in weights.items()}
    for adapter, strength in loras:
        for name, delta in adapter.modules.items():
            assert isinstance(delta, LowRank)
            key = f"{name.removeprefix(PREFIX)}.weight"
            made[key] = made[key] + strength * delta.scale * delta.up.double() @ delta.down.double()
    return made


@pytest.mark.parametrize("architecture", MODELS)
def test_both_spellings_of_model_and_adapter_give_one_result(architecture: str) -> None:
    modules = shrink(architecture)
    weights = make_weights(modules)
    one, two = (make_lora(modules, seed) for seed in (1, 2))
    split = [(make_adapter(architecture, one), 0.7), (make_adapter(architecture, two, "second"), -1.3)]
    joined = [(make_adapter(architecture, join_lora(architecture, one, modules)), 0.7), split[1]]
    right = expect(modules, weights, *split)
    original = to_original(architecture, {key: tensor.float() for key, tensor in right.items()})
    for loras in (split, joined):
        got = patch(dict(weights), *loras)
        assert all((got[key] - right[key]).abs().max() <= 1e-5 for key in right)
        own = patch(to_original(architecture, weights), *loras)
        assert own.keys() == original.keys()
        assert all((own[key] - original[key]).abs().max() <= 1e-5 for key in original)
    assert not any(torch.equal(right[key].float(), weights[key]) for key in right if f"{PREFIX}{key[:-7]}" in one)


def test_a_module_is_patched_as_its_state_dict() -> None:
    modules = shrink("flux1")
    network = model(modules)
    weights, lora = {key: t.clone() for key, t in network.state_dict().items()}, make_lora(modules)
    adapter = make_adapter("flux1", join_lora("flux1", lora, modules))
    with Patcher(transformer=network) as patcher:
        patcher.set([(adapter, 1.0, 0.0)])
        got = {key: t.clone() for key, t in network.state_dict().items()}
    assert all(torch.equal(value, patch(weights, (adapter, 1.0))[key]) for key, value in got.items())
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())


def test_joined_changes_that_cannot_be_cut_are_refused_with_the_reason_and_exact_where_they_need_not_be() -> None:
    modules = shrink("flux1")
    weights = make_weights(modules)
    name = f"{PREFIX}double_blocks.0.img_attn.qkv"
    width = modules["transformer_blocks.0.attn.to_q"].shape[1]
    inner = LowRank(up=torch.randn(3 * width, 2), down=torch.randn(2, width))
    deltas = make_lora({"x_embedder": modules["x_embedder"]})
    deltas[name] = Dora(inner=inner, magnitude=torch.rand(1, width) + 1, axis="in")
    adapter = make_adapter("flux1", deltas)
    with Patcher(transformer=dict(weights)) as patcher:
        receipt = patcher.set([(adapter, 1.0, 0.0)])
    assert "along the inputs" in receipt.adapters[0].skipped[f"{name}.weight"]
    own = to_original("flux1", weights)
    got = patch(own, (adapter, 0.5))
    right = deltas[name].apply(own["double_blocks.0.img_attn.qkv.weight"], 0.5)
    assert torch.allclose(got["double_blocks.0.img_attn.qkv.weight"], right, atol=1e-5)


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", "", "diffusion_model."])
@pytest.mark.parametrize("spelling", ["original", "diffusers"])
def test_bake_writes_what_the_patcher_computes(tmp_path: Path, prefix: str, spelling: str) -> None:
    modules = shrink("flux1")
    weights, lora = make_weights(modules), make_lora(modules)
    tensors = to_original("flux1", weights) if spelling == "original" else weights
    save_file({f"{prefix}{key}": tensor for key, tensor in tensors.items()}, tmp_path / "model.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "style.safetensors")
    adapter = make_adapter("flux1", lora, str(tmp_path / "style"))
    receipt = bake(tmp_path / "model.safetensors", [(adapter, 0.8, 0.0)], tmp_path / "out.safetensors")
    assert not receipt.skipped
    right, got = patch(tensors, (adapter, 0.8)), load_file(tmp_path / "out.safetensors")
    assert got.keys() == {f"{prefix}{key}" for key in right}
    assert all(torch.equal(got[f"{prefix}{key}"], value) for key, value in right.items())


@pytest.mark.parametrize("pipeline", [True, False])
def test_a_folder_in_several_files_is_baked_into_one_like_it(tmp_path: Path, pipeline: bool) -> None:
    modules = shrink("flux1")
    weights, lora = make_weights(modules), make_lora(modules)
    source = tmp_path / "model"
    own = source / "transformer" if pipeline else source
    own.mkdir(parents=True)
    keys = sorted(weights)
    names = {
        key: f"diffusion_pytorch_model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(keys)
    }
    for name in set(names.values()):
        save_file({key: weights[key] for key in keys if names[key] == name}, own / name)
    index = {"metadata": {"total_size": 1}, "weight_map": names}
    (own / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    (own / "config.json").write_text('{"_class_name": "FluxTransformer2DModel"}')
    if pipeline:
        (source / "model_index.json").write_text("{}")
        (source / "vae").mkdir()
        (source / "vae" / "weights.bin").write_bytes(b"vae")
    save_file({"a": torch.zeros(1)}, tmp_path / "style.safetensors")
    adapter = make_adapter("flux1", lora, str(tmp_path / "style"))
    bake(source, [(adapter, 0.8, 0.0)], tmp_path / "out")
    right, made = patch(weights, (adapter, 0.8)), tmp_path / "out" / own.relative_to(source)
    got = {key: tensor for name in set(names.values()) for key, tensor in load_file(made / name).items()}
    assert {file.relative_to(source) for file in source.rglob("*")} == {
        file.relative_to(tmp_path / "out") for file in (tmp_path / "out").rglob("*")
    }
    assert got.keys() == right.keys()
    assert all(torch.equal(got[key], right[key]) for key in right)
    table = json.loads((made / "diffusion_pytorch_model.safetensors.index.json").read_text())
    assert table["weight_map"] == names
    assert table["metadata"]["total_size"] == sum(tensor.nbytes for tensor in weights.values())
    with pytest.raises(WriteFailed, match="there already"):
        bake(source, [(adapter, 0.8, 0.0)], tmp_path / "out")
    bake(source, [(adapter, 0.8, 0.0)], tmp_path / "one.safetensors")
    assert len(load_file(tmp_path / "one.safetensors")) == len(right)
