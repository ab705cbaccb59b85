"""Say where weights files are looked for."""

from __future__ import annotations

from typing import Annotated, Any

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params


class WhereInputs(Inputs, frozen=True):
    """Weights by id."""

    weights: Annotated[
        tuple[str, ...], slot("weights", "Id of a weights file, or its file name", repeat="all", optional=True)
    ] = ()


class WeightsWhere(Operation[WhereInputs, Params]):
    """Print the folder for fetched weights; with ids every path at which a file is looked for, in order."""

    spec = Spec(id="weights.where", title="Where weights are", hosts=("cli", "a1111"))

    def run(self, inputs: WhereInputs, params: Params, job: Job) -> Report:
        """Look at every place. Raises UnknownName."""
        from ...core.weights.store import ABSENT, get_store
        from ..weights.catalogue import find_records

        lines = [] if inputs.weights else [str(get_store().cache)]
        data: list[dict[str, Any]] = []
        for weight in find_records(inputs.weights):
            found = get_store().find(weight)
            lines.append(f"{weight.id}: {found or ABSENT}")
            for place in get_store().list_locations(weight):
                state = "used" if place.path == found else "there" if place.path.is_file() else "-"
                lines.append(f"  {state:<6}{place.source:<10}{place.path}")
                data.append({"id": weight.id, "state": state, "source": place.source, "path": str(place.path)})
        return Report(text="\n".join(lines), data={"cache": str(get_store().cache), "places": data})
