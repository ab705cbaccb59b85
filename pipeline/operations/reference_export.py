"""Write the reference model as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, target
from ...core.params import Params


class ExportInputs(Inputs, frozen=True):
    """Nothing but where to."""

    output: Annotated[Path, target("checkpoint", "The checkpoint", last=True)]


class ReferenceExport(Operation[ExportInputs, Params]):
    """Write the reference model as one checkpoint in the layout of the first Stable Diffusion files.

    For trying out what works on checkpoints: merging, comparing, pruning, extracting. Pictures of it are those of the
    folders which come with the package: what is made of it is recognised by its shapes, likes CFG 3 and has the same
    ControlNets.
    """

    spec = Spec(id="reference.export", title="Export the reference model", hosts=("cli",))

    def run(self, inputs: ExportInputs, params: Params, job: Job) -> Report:
        """Write it. Raises WeightsMissing where the model did not come along, WriteFailed, Cancelled."""
        from ..models.reference_files import find_reference
        from ..reference.checkpoint import write_checkpoint

        folder = find_reference()
        job.check_free(inputs.output)
        with job.progress("export", unit="parts") as progress:
            path = write_checkpoint(folder, inputs.output, progress)
        return Report(text=str(path), data={"file": str(path)}, files=(path,))
