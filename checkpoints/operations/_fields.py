"""Choices that several operations on checkpoints share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ...core.operation import slot

Form = Literal["auto", "file", "diffusers"]
FORM_HELP = "Write a .safetensors file, or a diffusers folder; auto: a folder where the name of OUT has no ending"
CHECKPOINT = "Checkpoint, a .safetensors or .ckpt file or a diffusers folder"
CheckpointsOrRecipe = Annotated[
    tuple[Any, ...],
    slot(
        "checkpoints", "Checkpoints A, B, C, ... in order; none with a recipe", repeat="all", optional=True, live=True
    ),
]
OUTPUT = "New checkpoint, a .safetensors file or a diffusers folder"
DType = Literal["auto", "fp16", "bf16", "fp32"]
Vae = Literal["keep", "merge"]
Arithmetic = Literal["exact", "a1111"]


def choose_suffix(form: Form) -> str:
    """Ending of what is written in a host that asks for a name."""
    return "" if form == "diffusers" else ".safetensors"
