"""Bake a VAE into a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about
from ._fields import CHECKPOINT, FORM_HELP, OUTPUT, DType, Form, choose_suffix


class BakeVaeInputs(Inputs, frozen=True):
    """A checkpoint and a VAE."""

    checkpoint: Annotated[Path, slot("checkpoint", CHECKPOINT)]
    vae: Annotated[Path, slot("vae", "VAE file or folder, or a checkpoint whose VAE is taken")]
    output: Annotated[Path, target("checkpoint", OUTPUT)]


class BakeVaeParams(Params, frozen=True):
    """How it is written."""

    dtype: Annotated[DType, about("dtype of the new checkpoint's weights; auto: as the old one stores them")] = "auto"
    to: Annotated[Form, about(FORM_HELP)] = "auto"


class CheckpointBakeVae(Operation[BakeVaeInputs, BakeVaeParams]):
    """Write a checkpoint with another VAE in place of its own."""

    spec = Spec(id="checkpoint.bake_vae", title="Bake VAE into a checkpoint", added=("to",))

    def suffix(self, params: BakeVaeParams) -> str:
        """Ending of the new file; none of a folder."""
        return choose_suffix(params.to)

    def run(self, inputs: BakeVaeInputs, params: BakeVaeParams, job: Job) -> Report:
        """Stream it. Raises BadParameter, BadWeights, UnsafeFile, WriteFailed."""
        from ..merging import run_recipe
        from ..recipe import BakeVae, Cast, Load, Recipe

        baked = BakeVae(input=Load(path=str(inputs.checkpoint)), vae=Load(path=str(inputs.vae)))
        with job.progress("bake", unit="bytes") as progress:
            return run_recipe(
                Recipe(node=Cast(input=baked, dtype=params.dtype)), inputs.output, progress, form=params.to
            )
