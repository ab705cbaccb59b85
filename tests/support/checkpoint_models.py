"""Tiny checkpoints with the keys of SD1.5, SD2 and SDXL in every block, and what a merge of them should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from underdrawing.checkpoints.inspecting import inspect_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

UNET = "model.diffusion_model."
CLIP = "cond_stage_model.transformer.text_model."
CONTEXTS = {"sd1": 768, "sd2": 1024, "sdxl": 2048, "sdxl_refiner": 1280}


def tiny(
    seed: int = 0, *, family: str = "sd1", channels: int = 4, dtype: torch.dtype = torch.float16, ema: bool = False
) -> dict[str, Tensor]:
    """A checkpoint of a family in which every block has a weight, tensors are small, and entries are of every kind."""
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return (torch.randn(*shape, generator=draw) * 0.1).to(dtype)

    last = 8 if family == "sdxl" else 11
    tensors = {
        f"{UNET}input_blocks.0.0.weight": random(8, channels, 3, 3),
        f"{UNET}input_blocks.0.0.bias": random(8),
        f"{UNET}time_embed.0.weight": random(16, 8),
        f"{UNET}middle_block.0.in_layers.2.weight": random(8, 8, 3, 3),
        f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight": random(8, CONTEXTS[family]),
        f"{UNET}out.2.weight": random(4, 8, 3, 3),
        "first_stage_model.decoder.conv_in.weight": random(8, 4, 3, 3),
        "first_stage_model.encoder.conv_out.bias": random(8),
        "betas": torch.rand(1000, generator=draw),
    }
    for number in range(last + 1):
        if number:
            tensors[f"{UNET}input_blocks.{number}.0.in_layers.2.bias"] = random(6)
        tensors[f"{UNET}output_blocks.{number}.0.in_layers.2.bias"] = random(6)
    encoder = {"sd1": CLIP, "sd2": "cond_stage_model.model.", "sdxl": "conditioner.embedders.0.transformer.text_model."}
    start = encoder.get(family, "conditioner.embedders.0.model.")
    tensors[f"{start}encoder.layers.0.mlp.fc1.weight"] = random(12, 8)
    if family in ("sd1", "sdxl"):
        tensors[f"{start}embeddings.position_ids"] = torch.arange(77).reshape(1, 77)
    if ema:
        own = [key for key in tensors if key.startswith(UNET)]
        tensors |= {
            f"model_ema.{key.removeprefix('model.').replace('.', '')}": random(*tensors[key].shape) for key in own
        }
        tensors |= {"model_ema.decay": torch.tensor(0.99), "model_ema.num_updates": torch.tensor(5)}
    return tensors


def hash_tensors(path: Path) -> str:
    """SHA-256 of a file's tensors, without its header."""
    found = inspect_checkpoint(path, lambda done, total: None).data["tensors_sha256"]
    return str(found)


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    """Write a checkpoint, pickled where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    else:
        torch.save({"state_dict": tensors, "global_step": 7}, path)
    return path


def save_folder(folder: Path, seed: int) -> Path:
    """A model in diffusers' form of two networks that no other program knows."""
    draw = torch.Generator().manual_seed(seed)
    for network in ("transformer", "vae"):
        tensors = {f"blocks.{number}.weight": torch.randn(40, 40, generator=draw) for number in range(8)}
        save(folder / network / "diffusion_pytorch_model.safetensors", tensors)
        (folder / network / "config.json").write_text('{"_class_name": "Unknown"}')
    index = {"_class_name": "UnknownPipeline", "transformer": ["diffusers", "Unknown"], "vae": ["diffusers", "Unknown"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def load_node(path: Path, **fields: Any) -> dict[str, Any]:
    """The node that reads a file."""
    return {"type": "load", "path": str(path), **fields}


def apply_node(method: str, *inputs: Any, **fields: Any) -> dict[str, Any]:
    """The node of a method on nodes or files; params: everything that is no field of the node."""
    own = {"blocks", "beta_blocks", "elements", "vae", "arithmetic"}
    nodes = [one if isinstance(one, dict) else load_node(one) for one in inputs]
    params = {key: value for key, value in fields.items() if key not in own}
    return {"type": "apply", "method": method, "inputs": nodes, "params": params} | {
        key: value for key, value in fields.items() if key in own
    }


def is_merged(key: str, *, vae: bool = False) -> bool:
    """Whether a merge computes with a key of `tiny`."""
    if key.startswith("first_stage_model."):
        return vae
    return not (key.startswith("model_ema.") or key in ("betas",) or key.endswith("position_ids"))


def mix(alpha: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The formula of a weighted sum."""

    def formula(a: Tensor, b: Tensor) -> Tensor:
        return torch.lerp(a, b, alpha)

    return formula


def expect(
    formula: Callable[..., Tensor], *models: dict[str, Tensor], dtype: torch.dtype | None = None, vae: bool = False
) -> dict[str, Tensor]:
    """What a formula on float32 tensors gives key by key, rounded once to the first model's dtype, or dtype."""
    result: dict[str, Tensor] = {}
    for key, own in models[0].items():
        if key.startswith("model_ema."):
            continue
        if is_merged(key, vae=vae):
            own = formula(*(model[key].float() for model in models)).to(own.dtype)
        if dtype is not None and (is_merged(key, vae=True)):
            own = formula(*(m[key].float() for m in models)).to(dtype) if is_merged(key, vae=vae) else own.to(dtype)
        result[key] = own
    return result
