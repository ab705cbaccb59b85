"""Weights that training starts from: those of an earlier run in diffusers' folders, instead of random ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ....core.errors import BadWeights
from ....core.tensor_files.safetensors_io import read_safetensors
from .deepening import deepen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

FILES = ("diffusion_pytorch_model.safetensors", "model.safetensors")
"""Names of weights in the folders of diffusers and transformers."""


def load_start(module: nn.Module, folder: Path) -> None:
    """Copy the weights of a model's folder into a module; those of one layer a block are deepened.

    Raises BadWeights when they are not of its shape.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise BadWeights(f"holds neither {FILES[0]} nor {FILES[1]}", where=str(folder), fix="name a model's folder")
    tensors = {spell_key(name): value for name, value in read_safetensors(path).items()}
    own = {spell_key(name): value for name, value in module.named_parameters()}
    copy_weights(module, deepen(tensors, own) if len(tensors) < len(own) else tensors, where=str(path))


@torch.no_grad()
def copy_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Copy weights into a module's parameters, all of them. Raises BadWeights naming one that does not fit."""
    parameters = {spell_key(name): value for name, value in module.named_parameters()}
    tensors = {spell_key(name): value for name, value in tensors.items()}
    if wrong := sorted(tensors.keys() ^ parameters.keys()) or sorted(
        name for name, value in parameters.items() if value.shape != tensors[name].shape
    ):
        raise BadWeights(
            f"does not fit the reference model ({len(wrong)} weights differ)",
            where=f"{where}, key {wrong[0]!r}",
            fix="start from weights of the same widths, or from nothing",
        )
    for name, value in parameters.items():
        value.copy_(tensors[name])


def spell_key(name: str) -> str:
    """transformers 5 has no text_model in its names any more; its files have."""
    return name.replace("text_model.", "")
