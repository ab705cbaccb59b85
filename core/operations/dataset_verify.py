"""Verify data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..operation import Inputs, Job, Operation, Report, Spec, slot
from ..params import Params, about
from ..report_text import count

DATASET = "Folder that `underdrawing dataset annotate` wrote"
MOST_LINES = 50
"""Problems that are printed; all are in the JSON."""


class VerifyInputs(Inputs, frozen=True):
    """One data set."""

    dataset: Annotated[Path, slot("file", DATASET)]


class VerifyParams(Params, frozen=True):
    """How thoroughly."""

    quick: Annotated[bool, about("Compare the hashes of files only, and open no map")] = False


class DatasetVerify(Operation[VerifyInputs, VerifyParams]):
    """Check that a data set is whole: shards, files, rows and maps.

    Every shard of the source is there and no other; every file has the hash that it was written with; every row has its
    maps, which can be decoded and have the size that its picture asks for. Faults are named by shard and row, with the
    step that fixes them, and the exit status is 1.
    """

    spec = Spec(id="dataset.verify", title="Verify a data set", hosts=("cli",))

    def run(self, inputs: VerifyInputs, params: VerifyParams, job: Job) -> Report:
        """Check everything. Raises BadParameter where there is no data set, MissingExtra."""
        from ..dataset.manifest import Manifest
        from ..dataset.verify import Verification

        check = Verification(Manifest(inputs.dataset), quick=params.quick)
        with job.progress("verify", 0, "shards") as progress:
            problems = list(check.run(progress))
        checked = {"shard": check.shards, "file": check.files, "row": check.rows, "map": check.maps}
        counts = f"checked {', '.join(count(number, noun) for noun, number in checked.items())}"
        lines = [*map(str, problems[:MOST_LINES])]
        if len(problems) > MOST_LINES:
            lines.append(f"and {len(problems) - MOST_LINES} more (--json has all)")
        found = [{"shard": p.shard, "row": p.row, "what": p.what, "fix": p.fix} for p in problems]
        verdict = count(len(problems), "problem") if problems else "the data set is whole"
        return Report(
            text="\n".join([*lines, f"{counts}: {verdict}"]),
            data={**check.to_json(), "whole": not problems, "problems": found},
            complete=not problems,
        )
