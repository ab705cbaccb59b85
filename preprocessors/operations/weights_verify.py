"""Verify weights files."""

from __future__ import annotations

from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params


class VerifyInputs(Inputs, frozen=True):
    """Weights by id."""

    weights: Annotated[
        tuple[str, ...],
        slot("weights", "Id of a weights file, or its name; none: all", repeat="all", optional=True),
    ] = ()


class WeightsVerify(Operation[VerifyInputs, Params]):
    """Hash weights files and compare them with their records.

    Without an id all are looked at, and those that were never fetched do not count. It fails when one does not match.
    """

    spec = Spec(id="weights.verify", title="Verify weights", volatile=True)

    def run(self, inputs: VerifyInputs, params: Params, job: Job) -> Report:
        """Hash every file anew. Raises UnknownName."""
        from ...core.weights.store import ABSENT, get_store
        from ..weights.catalogue import find_records, records

        lines: list[str] = []
        data: list[dict[str, object]] = []
        failed = False
        chosen = find_records(inputs.weights) or list(records().values())
        with job.progress("verify", len(chosen), "files") as progress:
            for number, weight in enumerate(chosen, start=1):
                verdict = get_store().verify(weight)
                wrong = not verdict.ok and (bool(inputs.weights) or verdict.reason != ABSENT)
                state = "ok" if verdict.ok else "WRONG" if wrong else "absent"
                lines.append(f"{state:<7}{weight.id}  {verdict.path or ''}  {verdict.reason}")
                path = str(verdict.path) if verdict.path else None
                data.append({"id": weight.id, "ok": verdict.ok, "path": path, "reason": verdict.reason})
                failed = failed or wrong
                progress(number, len(chosen))
        return Report(text="\n".join(lines), data=data, complete=not failed)
