"""Import weights files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.errors import BadParameter, UnderdrawingError
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params, about


class ImportInputs(Inputs, frozen=True):
    """Files that the user has."""

    files: Annotated[tuple[Path, ...], slot("file", "Weights file that you have, under any name", repeat="all")]


class ImportParams(Params, frozen=True):
    """What a file is, where it cannot be told."""

    as_: Annotated[str, about("Say which weights, by id, FILE is, where this project pins no hash")] = ""


class WeightsImport(Operation[ImportInputs, ImportParams]):
    """Copy weights files that you have into the cache; they are recognised by their bytes, whatever their names.

    Some weights are not pinned by this project. With an id you declare that FILE is one of them: its bytes are pinned
    as of now. It is loaded once, and refused when no network of ours takes it.
    """

    spec = Spec(id="weights.import", title="Import weights", hosts=("cli",))

    def run(self, inputs: ImportInputs, params: ImportParams, job: Job) -> Report:
        """Recognise and copy; one failure does not stop the others. Raises BadParameter, UnknownName."""
        from ...core.weights.store import get_store
        from ..weights.catalogue import find_records, records
        from ._declared_files import import_declared

        if params.as_ and len(inputs.files) != 1:
            raise BadParameter("says what one FILE is", where="--as ID", fix="import the files one by one")
        declared = find_records([params.as_]) if params.as_ else []
        found: dict[str, str] = {}
        notes: list[str] = []
        errors: list[UnderdrawingError] = []
        for file in inputs.files:
            try:
                if declared:
                    weight, reason = declared[0], import_declared(file, declared[0])
                    notes += [f"{weight.id}: {reason}"] if reason else []
                else:
                    weight = get_store().import_file(file, records().values())
                found[str(file)] = weight.id
            except UnderdrawingError as error:
                errors.append(error)
        text = "\n".join(f"{file}: {name}" for file, name in found.items())
        return Report(text=text, data=found, notes=tuple(notes), errors=tuple(errors), complete=not errors)
