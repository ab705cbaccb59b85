"""Convert a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about
from ._fields import CHECKPOINT, FORM_HELP, OUTPUT, DType, Form, choose_suffix


class ConvertInputs(Inputs, frozen=True):
    """One file, and where it goes."""

    checkpoint: Annotated[Path, slot("checkpoint", CHECKPOINT)]
    output: Annotated[Path, target("checkpoint", OUTPUT)]


class ConvertParams(Params, frozen=True):
    """What changes."""

    dtype: Annotated[DType, about("dtype of the new checkpoint's weights; auto: as the old one stores them")] = "auto"
    to: Annotated[Form, about(FORM_HELP)] = "auto"


class CheckpointConvert(Operation[ConvertInputs, ConvertParams]):
    """Write a checkpoint as .safetensors, or in another dtype.

    Averaged weights are left out, as `checkpoint prune` does; everything else stays.
    """

    spec = Spec(id="checkpoint.convert", title="Convert checkpoint", added=("to",))

    def suffix(self, params: ConvertParams) -> str:
        """Ending of the new file; none of a folder."""
        return choose_suffix(params.to)

    def run(self, inputs: ConvertInputs, params: ConvertParams, job: Job) -> Report:
        """Stream it. Raises BadParameter, BadWeights, UnsafeFile, WriteFailed."""
        from ..merging import run_recipe
        from ..recipe import Cast, Load, Recipe

        node = Cast(input=Load(path=str(inputs.checkpoint)), dtype=params.dtype)
        with job.progress("convert", unit="bytes") as progress:
            return run_recipe(Recipe(node=node), inputs.output, progress, form=params.to)
