"""One run of an operation from the command line: inputs read, results written and printed, errors told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import BadParameter, UnderdrawingError
from ..core.operation import Job, run
from ..core.operation_files import find_targets, read_inputs, write_results
from ..core.report_text import escape_controls, printable
from ..core.slots import weigh_loras
from .progress import CommandLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.operation import Report
    from ..core.operation_registry import OperationType
    from ..core.params import Value

OUTPUT, JSON = "output", "as_json"
STRENGTHS = {
    "strength": "Strength, for all LoRAs or once for each, in their order. Default: 1.",
    "te_strength": "Strength on the text encoders, likewise. Default: as --strength.",
    "blocks": "Block weights or preset, as in lbw=, likewise.",
}
"""Options of a slot of LoRAs with strengths."""


def run_operation(operation: OperationType, values: dict[str, Any]) -> int:
    """Run once, or once for each of several inputs. Returns the exit code.

    A run that is stopped by Ctrl-C, or by an error when something was finished, prints that as JSON where JSON is
    wanted.
    """
    as_json, host = values.pop(JSON), CommandLine()
    reports: list[Report] = []
    try:
        return _run(operation, values, as_json, host, reports)
    except (KeyboardInterrupt, UnderdrawingError) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else printable(error, 600)
        if as_json and (why == "interrupted" or host.finished is not None):
            data = [report.data for report in reports]
            _print({**(host.finished or {}), **({"finished": data} if data else {}), "stopped": why}, (), as_json)
        raise


def _run(
    operation: OperationType, values: dict[str, Any], as_json: bool, host: CommandLine, reports: list[Report]
) -> int:
    """Run; reports of several inputs are added to the list as they come."""
    job = Job(host)
    inputs, each = _inputs(operation, values), next((s for s in operation.slots() if s.repeat == "each"), None)
    params = _params(values)
    operation.params(**params)
    if each is None:
        old = find_old_file(inputs)
        report = run(operation, read_inputs(operation, inputs), params, job)
        code = _finish(report, written := write_results(report, inputs, OUTPUT), as_json)
        if old in (*report.files, *written):
            click.echo(escape_controls(f"{old}: the file that was there is replaced"), err=True)
        _print(report.data, [report], as_json)
        return code
    code, target_kind = 0, operation.target()
    targets = find_targets(operation, each.kind, inputs[each.name], inputs.get(OUTPUT))
    for file, target in targets.items():
        one = {**inputs, each.name: file, **({} if target is None else {OUTPUT: target})}
        try:
            report = run(operation, read_inputs(operation, one), params, job)
            code = max(code, _finish(report, write_results(report, one, OUTPUT), as_json, file))
            reports.append(report)
        except UnderdrawingError as error:
            if isinstance(error, BadParameter) and target_kind is not None and target_kind.suffix:
                raise
            click.echo(f"underdrawing: {printable(error, 600)}", err=True)
            code = 1
    if reports:
        _print([report.data for report in reports] if len(targets) > 1 else reports[0].data, reports, as_json)
    return code


def find_old_file(inputs: dict[str, Any]) -> Path | None:
    """The file of the output's name that is there before the run."""
    output = inputs.get(OUTPUT)
    return output if isinstance(output, Path) and output.is_file() else None


def _params(values: dict[str, Any]) -> dict[str, Value]:
    """Values of the options that were given."""
    given = {name: value for name, value in values.items() if value is not None and value != ()}
    return {name: "\n".join(value) if isinstance(value, tuple) else value for name, value in given.items()}


def _inputs(operation: OperationType, values: dict[str, Any]) -> dict[str, Any]:
    """Take the inputs out of what click gives."""
    inputs = {slot.name: values.pop(slot.name) for slot in operation.slots()}
    for slot in operation.slots():
        if slot.kind == "loras":
            given = [values.pop(option) for option in STRENGTHS]
            inputs[slot.name] = weigh_loras(inputs[slot.name], *given)
    if operation.target() is not None:
        inputs[OUTPUT] = values.pop(OUTPUT)
    return inputs


def _finish(report: Report, files: Sequence[Path], as_json: bool, source: Path | None = None) -> int:
    """Say what was written, the notes and what went wrong."""
    for path in () if as_json else files:
        click.echo(escape_controls(path))
    for note in report.notes:
        click.echo(escape_controls(f"{source} {note}" if source else note, keep="\n"), err=True)
    for error in report.errors:
        click.echo(f"underdrawing: {printable(error, 600)}", err=True)
    return 0 if report.complete else 1


def _print(data: Any, reports: Sequence[Report], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    for report in reports:
        if report.text:
            click.echo(escape_controls(report.text, keep="\n\t"))
