"""Compare two checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params, about


class DiffInputs(Inputs, frozen=True):
    """Two files, or models that a host has loaded."""

    checkpoints: Annotated[tuple[Any, ...], slot("checkpoints", "Two checkpoints, A and B", repeat="all", live=True)]


class DiffParams(Params, frozen=True):
    """What is written besides."""

    chart: Annotated[str, about("PNG file for a chart of the differences by block; empty: none")] = ""


class CheckpointDiff(Operation[DiffInputs, DiffParams]):
    """Compare two checkpoints by block: keys that only one has, equal weights, and how far the others are apart."""

    spec = Spec(id="checkpoint.diff", title="Compare checkpoints")

    def run(self, inputs: DiffInputs, params: DiffParams, job: Job) -> Report:
        """Read both. Raises BadParameter, BadWeights, UnsafeFile, WriteFailed."""
        from ..comparing import compare_checkpoints

        if len(inputs.checkpoints) != 2:
            what = f"{len(inputs.checkpoints)} checkpoints were given"
            raise BadParameter(what, where="checkpoints", fix="give two to compare")
        chart = str(job.host.place_file("pictures", params.chart)) if params.chart else ""
        if chart:
            job.check_free(Path(chart))
        with job.progress("compare", unit="bytes") as progress:
            return compare_checkpoints(*inputs.checkpoints, chart=chart, progress=progress)
