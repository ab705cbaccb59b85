"""List weights files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...core.operation import Inputs, Job, Operation, Report, Spec
from ...core.params import Params

if TYPE_CHECKING:
    from ...core.weights.record import Weight


class WeightsList(Operation[Inputs, Params]):
    """List weights files: size, licence, which annotators need them, and where they are."""

    spec = Spec(id="weights.list", title="List weights", hosts=("cli", "a1111"))

    def run(self, inputs: Inputs, params: Params, job: Job) -> Report:
        """Look for every file."""
        from ...core.weights.store import ABSENT
        from ..weights.catalogue import describe_terms, records

        entries = {weight.id: _entry(weight) for weight in records().values()}
        lines: list[str] = []
        for weight in records().values():
            entry = entries[weight.id]
            lines.append(f"{weight.id}\n    {describe_terms(weight)}; for {', '.join(entry['annotators'])}")
            lines.append(f"    {entry['path'] or ABSENT + ': underdrawing weights fetch ' + weight.id}")
        return Report(text="\n".join(lines), data=list(entries.values()))


def _entry(weight: Weight) -> dict[str, Any]:
    from ...core.weights.store import get_store
    from ..weights.catalogue import list_users

    path = get_store().find(weight)
    place = {
        "available": path is not None,
        "path": str(path) if path else None,
        "pinned": get_store().describe_pin(weight),
    }
    return {
        "id": weight.id,
        **msgspec.to_builtins(get_store().try_complete(weight)),
        "annotators": list_users(weight),
        **place,
    }
