"""Merges of tiny checkpoints that A1111's merger was asked for too."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import torch
from tests.support.checkpoint_models import tiny

if TYPE_CHECKING:
    from torch import Tensor


_VAE = "first_stage_model."


class Case(NamedTuple):
    """A merge. channels: of the first layer of A. dtypes: of A, B and C. half: saved in half precision.

    vae: another one is baked in. lacks: what B has no weights of.
    """

    method: str
    alpha: float
    dtypes: tuple[torch.dtype, ...] = (torch.float16,) * 3
    half: bool = False
    channels: int = 4
    family: str = "sd1"
    vae: bool = False
    lacks: str = "nothing"


METADATA = {
    "b": {
        "sd_merge_models": '{"0f0f": {"name": "old.safetensors", "legacy_hash": "01234567", "sd_merge_recipe": null}}'
    },
    "c": {"sd_merge_recipe": '{"type": "webui", "interp_method": "Weighted sum"}'},
}
"""Of B and C, which are merges themselves; one entry each, as safetensors writes several in any order."""
CASES = {
    "weighted sum": Case("weighted_sum", 0.3),
    "weighted sum at 0": Case("weighted_sum", 0.0),
    "weighted sum at 1": Case("weighted_sum", 1.0),
    "weighted sum, float32": Case("weighted_sum", 0.35, (torch.float32,) * 3),
    "weighted sum, float32, saved as half": Case("weighted_sum", 0.35, (torch.float32,) * 3, half=True),
    "weighted sum, mixed": Case("weighted_sum", 0.6, (torch.float16, torch.float32, torch.float16)),
    "weighted sum, bfloat16": Case("weighted_sum", 0.45, (torch.bfloat16,) * 3),
    "weighted sum, inpainting": Case("weighted_sum", 0.3, channels=9),
    "weighted sum, SDXL": Case("weighted_sum", 0.15, family="sdxl"),
    "add difference": Case("add_difference", 0.7),
    "add difference, float32, saved as half": Case("add_difference", 1.0, (torch.float32,) * 3, half=True),
    "add difference, inpainting": Case("add_difference", 1.0, channels=9),
    "add difference, mixed": Case("add_difference", 0.5, (torch.float16, torch.float32, torch.float32)),
    "weighted sum, pix2pix": Case("weighted_sum", 0.3, channels=8),
    "weighted sum, another VAE": Case("weighted_sum", 0.3, vae=True),
    "weighted sum, another VAE, saved as half": Case("weighted_sum", 0.3, (torch.float32,) * 3, half=True, vae=True),
    "weighted sum, B without VAE": Case("weighted_sum", 0.3, lacks="first_stage_model."),
    "add difference, B without text encoder": Case("add_difference", 0.3, lacks="cond_stage_model."),
    "no interpolation, saved as half": Case("no_interpolation", 0.3, (torch.float32,) * 3, half=True),
}


def models(case: Case) -> dict[str, dict[str, Tensor]]:
    """The three checkpoints of a case."""
    found = {
        letter: tiny(
            seed,
            family=case.family,
            channels=case.channels if letter == "a" else 4,
            dtype=dtype,
            ema=case.channels == 4,
        )
        for seed, (letter, dtype) in enumerate(zip("abc", case.dtypes, strict=True))
    }
    for tensors in found.values():  # whole numbers and scalars, on which versions of the merger differ
        for key in [key for key in tensors if key.endswith(("position_ids", "num_updates", "decay"))]:
            del tensors[key]
    found["b"] = {key: tensor for key, tensor in found["b"].items() if not key.startswith(case.lacks)}
    vae = {key: tensor for key, tensor in tiny(7, dtype=torch.float32).items() if key.startswith(_VAE)}
    return found | ({"vae": {key.removeprefix(_VAE): tensor for key, tensor in vae.items()}} if case.vae else {})


def hash_tensors(tensors: dict[str, Tensor]) -> dict[str, str]:
    """Key → dtype and hash of the bytes."""
    return {
        key: f"{str(tensor.dtype).removeprefix('torch.')} {hash_bytes(tensor)}"
        for key, tensor in sorted(tensors.items())
    }


def hash_bytes(tensor: Tensor) -> str:
    """First 16 digits of the SHA-256 of a tensor's bytes."""
    return hashlib.sha256(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()[:16]
