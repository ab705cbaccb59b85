"""Bake LoRAs into a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ...core.operation import Inputs, Job, Operation, Report, Spec, WeightedLora, slot, target
from ...core.params import Params, about
from ...core.report_text import text_lines
from ._fields import DType


class BakeInputs(Inputs, frozen=True):
    """A checkpoint file and what goes into it."""

    checkpoint: Annotated[Path, slot("checkpoint", "Checkpoint file: SD1, SD2, SDXL, refiner, or one part of a model")]
    loras: Annotated[tuple[WeightedLora, ...], slot("loras", "LoRAs with their strengths", repeat="all")]
    output: Annotated[Path, target("checkpoint", "New checkpoint, a .safetensors file")]


class BakeParams(Params, frozen=True):
    """How the changes add up."""

    sequential: Annotated[bool, about("Each LoRA sees what the one before left, as in A1111 and ComfyUI")] = False
    dtype: Annotated[
        Literal["auto", DType], about("dtype of the new checkpoint's weights; auto: as the old one stores them")
    ] = "auto"
    allow_mismatch: Annotated[bool, about("Go on with LoRAs made for another base model, and apply what fits")] = False
    skip_damaged: Annotated[bool, about("Leave out modules that hold NaN or infinite values instead of stopping")] = (
        False
    )


class LoraBake(Operation[BakeInputs, BakeParams]):
    """Write a checkpoint with LoRAs baked into its weights; what was done is kept in its metadata."""

    spec = Spec(id="lora.bake", title="Bake LoRAs into a checkpoint", added=("dtype", "allow_mismatch", "skip_damaged"))

    def run(self, inputs: BakeInputs, params: BakeParams, job: Job) -> Report:
        """Stream the checkpoint. Raises BadWeights, BadParameter, WriteFailed."""
        from ..applying.bake import bake
        from ..prompts.block_weights import parse_blocks
        from ._fields import load_weighted

        weights = [parse_blocks(lora.blocks) if lora.blocks else None for lora in inputs.loras]
        requests = [(*one, own) for one, own in zip(load_weighted(inputs.loras), weights, strict=True)]
        order = "sequential" if params.sequential else "base"
        with job.progress("bake") as progress:
            receipt = bake(
                inputs.checkpoint,
                requests,
                inputs.output,
                order=order,
                dtype=None if params.dtype == "auto" else params.dtype,
                allow_mismatch=params.allow_mismatch,
                skip_damaged=params.skip_damaged,
                progress=progress,
            )
        data = {"file": str(inputs.output), "adapters": receipt.to_json(), "notes": list(receipt.notes)}
        return Report(text=text_lines(receipt), data=data, files=(inputs.output,))
