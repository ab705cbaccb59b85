"""Say what checkpoints hold."""

from __future__ import annotations

from typing import Annotated, Any

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params, about
from ._fields import CHECKPOINT


class InspectInputs(Inputs, frozen=True):
    """One file, or a model that a host has loaded."""

    checkpoint: Annotated[Any, slot("checkpoint", CHECKPOINT, repeat="each", live=True, listed=True)]


class InspectParams(Params, frozen=True):
    """What is written besides."""

    thumbnail: Annotated[
        str, about("File or folder for the picture that a model shows itself with; empty: none is written")
    ] = ""


class CheckpointInspect(Operation[InspectInputs, InspectParams]):
    """Say what checkpoints hold: family, dtypes, parts, blocks, hashes, and the recipe of a merge with its ancestry."""

    spec = Spec(id="checkpoint.inspect", title="Inspect checkpoint")

    def run(self, inputs: InspectInputs, params: InspectParams, job: Job) -> Report:
        """Read the header, and hash the file. Raises BadWeights, UnsafeFile; BadImage, BadParameter for the picture."""
        from ..inspecting import inspect_checkpoint

        picture = job.host.place_file("pictures", params.thumbnail) if params.thumbnail else None
        if picture is not None and not picture.is_dir():
            job.check_free(picture)
        with job.progress("hash") as progress:
            return inspect_checkpoint(inputs.checkpoint, progress, picture)
