"""Prune a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about
from ._fields import CHECKPOINT, FORM_HELP, OUTPUT, DType, Form, choose_suffix


class PruneInputs(Inputs, frozen=True):
    """One file, and where it goes."""

    checkpoint: Annotated[Path, slot("checkpoint", CHECKPOINT)]
    output: Annotated[Path, target("checkpoint", OUTPUT)]


class PruneParams(Params, frozen=True):
    """What is left out beside averaged weights."""

    vae: Annotated[bool, about("Leave out the VAE")] = False
    text_encoder: Annotated[bool, about("Leave out the text encoders")] = False
    use_ema: Annotated[bool, about("Take the averaged weights (model_ema.) in place of the others")] = False
    dtype: Annotated[DType, about("dtype of the new checkpoint's weights; auto: as the old one stores them")] = "auto"
    to: Annotated[Form, about(FORM_HELP)] = "auto"


class CheckpointPrune(Operation[PruneInputs, PruneParams]):
    """Write a checkpoint without its averaged weights (EMA), and without other parts that are not needed."""

    spec = Spec(id="checkpoint.prune", title="Prune checkpoint", added=("to",))

    def suffix(self, params: PruneParams) -> str:
        """Ending of the new file; none of a folder."""
        return choose_suffix(params.to)

    def run(self, inputs: PruneInputs, params: PruneParams, job: Job) -> Report:
        """Stream it. Raises BadParameter, BadWeights, UnsafeFile, WriteFailed."""
        from ..merging import run_recipe
        from ..recipe import Cast, Load, Part, Recipe

        chosen: dict[Part, bool] = {"vae": params.vae, "text_encoder": params.text_encoder}
        drop: tuple[Part, ...] = tuple(part for part, dropped in chosen.items() if dropped)
        load = Load(path=str(inputs.checkpoint), ema="use" if params.use_ema else "drop")
        with job.progress("prune", unit="bytes") as progress:
            return run_recipe(
                Recipe(node=Cast(input=load, dtype=params.dtype, drop=drop)), inputs.output, progress, form=params.to
            )
