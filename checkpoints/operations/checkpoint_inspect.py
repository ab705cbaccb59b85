"""Say what checkpoints hold."""

from __future__ import annotations

from typing import Annotated, Any

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params
from ._fields import CHECKPOINT


class InspectInputs(Inputs, frozen=True):
    """One file, or a model that a host has loaded."""

    checkpoint: Annotated[Any, slot("checkpoint", CHECKPOINT, repeat="each", live=True, listed=True)]


class CheckpointInspect(Operation[InspectInputs, Params]):
    """Say what checkpoints hold: family, dtypes, parts, blocks, hashes, and the recipe of a merge with its ancestry."""

    spec = Spec(id="checkpoint.inspect", title="Inspect checkpoint")

    def run(self, inputs: InspectInputs, params: Params, job: Job) -> Report:
        """Read the header, and hash the file. Raises BadWeights, UnsafeFile."""
        from ..inspecting import inspect_checkpoint

        with job.progress("hash") as progress:
            return inspect_checkpoint(inputs.checkpoint, progress)
