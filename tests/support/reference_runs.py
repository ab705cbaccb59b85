"""Runs of the reference model's training with random weights in place of trained ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import torch

from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.reference import networks
from underdrawing.pipeline.reference.training.latents import tokenize
from underdrawing.pipeline.reference.training.loop import State

if TYPE_CHECKING:
    from pathlib import Path

STATE = State(steps=3, samples=48, seconds=60, measures={"validation": 0.5})


def write_state(path: Path, module: torch.nn.Module) -> None:
    """Checkpoint of one step, with the averaged weights only."""
    tensors = {f"average.{name}": value.detach().contiguous() for name, value in module.named_parameters()}
    write_safetensors(path, tensors, {"state": msgspec.json.encode(STATE).decode()})


def write_base(folder: Path) -> torch.nn.Module:
    """Final VAE, text encoder and UNet of a run; returns the UNet."""
    torch.manual_seed(0)
    vae, unet = networks.build_vae(), networks.build_unet()
    text = networks.build_text_encoder(int(tokenize([""]).max()) + 1)
    write_safetensors(folder / "vae_final.safetensors", {k: v.contiguous() for k, v in vae.state_dict().items()})
    write_state(folder / "text.safetensors", torch.nn.ModuleDict({"text_encoder": text}))
    write_state(folder / "base.safetensors", torch.nn.ModuleDict({"unet": unet}))
    return unet
