"""The Patcher on diffusers' own transformer classes: what peft merges there, and off again byte for byte."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

WAY = "pip install diffusers peft, which load the same files for comparison"
pytest.importorskip("diffusers", reason=f"NOT COMPARED WITH DIFFUSERS' TRANSFORMERS: {WAY}")
pytest.importorskip("peft", reason=f"NOT COMPARED WITH PEFT ON TRANSFORMERS: {WAY}")

_HEADS: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2}
_FLUX: dict[str, Any] = {**_HEADS, "in_channels": 8, "num_single_layers": 2, "joint_attention_dim": 24}
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "flux1": (
        "FluxTransformer2DModel",
        {**_FLUX, "pooled_projection_dim": 12, "guidance_embeds": True, "axes_dims_rope": (4, 6, 6)},
    ),
    "flux2": ("Flux2Transformer2DModel", {**_FLUX, "timestep_guidance_channels": 8, "axes_dims_rope": (4, 4, 4, 4)}),
    "sd3": (
        "SD3Transformer2DModel",
        {
            **{**_HEADS, "sample_size": 8, "joint_attention_dim": 24, "caption_projection_dim": 32},
            **{"pooled_projection_dim": 12, "pos_embed_max_size": 8, "dual_attention_layers": (0,)},
            "qk_norm": "rms_norm",
        },
    ),
    "qwen_image": (
        "QwenImageTransformer2DModel",
        {**_HEADS, "in_channels": 8, "out_channels": 2, "joint_attention_dim": 24, "axes_dims_rope": (4, 6, 6)},
    ),
    "wan": ("WanTransformer3DModel", {**_HEADS, "text_dim": 24, "freq_dim": 8, "ffn_dim": 48, "image_dim": None}),
    "z_image": (
        "ZImageTransformer2DModel",
        {
            **{"in_channels": 4, "dim": 32, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2},
            **{"cap_feat_dim": 24, "axes_dims": [4, 6, 6], "axes_lens": [32, 16, 16]},
        },
    ),
}
RANK, ALPHA, STRENGTH = 2, 3.0, 0.7


def build(name: str) -> nn.Module:
    """The class with a small configuration, random."""
    kind, config = CLASSES[name]
    torch.manual_seed(0)
    model: nn.Module = getattr(importlib.import_module("diffusers"), kind)(**config).requires_grad_(requires_grad=False)
    for tensor in model.parameters():
        tensor.copy_(torch.randn(tensor.shape) * 0.1)
    return model.eval()


def save_lora(name: str, model: nn.Module, path: Path) -> int:
    """A LoRA of every linear layer of the model itself, in peft's names; number of layers."""
    tensors: dict[str, Tensor] = {}
    layers = {name: own for name, own in model.named_modules() if isinstance(own, torch.nn.Linear)}
    for layer, module in layers.items():
        rows, columns = module.out_features, module.in_features
        tensors[f"transformer.{layer}.lora_A.weight"] = torch.randn(RANK, columns)
        tensors[f"transformer.{layer}.lora_B.weight"] = torch.randn(rows, RANK) * 0.3
        tensors[f"transformer.{layer}.alpha"] = torch.tensor(ALPHA)
    save_file(tensors, path, dict(TRANSFORMER_MODELS[name].metadata))
    return len(layers)


def merge_by_peft(model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Weights after peft's own layers of the same factors were merged into a model, by their names before."""
    peft, load = importlib.import_module("peft"), importlib.import_module("safetensors.torch").load_file
    held = {key.removeprefix("transformer."): tensor for key, tensor in load(path).items()}
    layers = [key.removesuffix(".lora_A.weight") for key in held if key.endswith(".lora_A.weight")]
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA * STRENGTH, target_modules=layers)
    peft.inject_adapter_in_model(config, model, adapter_name="it")
    factors = {key: tensor for key, tensor in held.items() if not key.endswith(".alpha")}
    left = peft.set_peft_model_state_dict(model, factors, adapter_name="it")
    assert not left.unexpected_keys
    for module in list(model.modules()):
        if hasattr(module, "base_layer"):
            module.merge()  # type: ignore[operator]
    return {
        key.replace(".base_layer", ""): tensor.clone()
        for key, tensor in model.state_dict().items()
        if ".lora_" not in key
    }


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_real_class_gets_what_peft_merges_and_its_own_bytes_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    with torch.no_grad():
        model = build(name)
        before, objects = {k: v.clone() for k, v in model.state_dict().items()}, dict(model.named_parameters())
        count = save_lora(name, model, path)
        with Patcher(transformer=model) as patcher:
            (entry,) = patcher.set([(load_adapter(path), STRENGTH, 0.0)]).adapters
            after = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        assert not entry.skipped
        assert (entry.modules, len(entry.applied)) == (count, 3 * count)
        now = model.state_dict()
        assert now.keys() == before.keys()
        assert all(torch.equal(now[key], value) for key, value in before.items())
        assert all(model.get_parameter(key) is one for key, one in objects.items())
        theirs = merge_by_peft(build(name), path)
    assert theirs.keys() == after.keys()
    assert sum(not torch.equal(after[key], before[key]) for key in before) == count
    assert max(float((after[key] - theirs[key]).abs().max()) for key in after) < 1e-5
