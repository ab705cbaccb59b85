"""Commands made of operations: one mapping from slots, targets and fields to arguments and options."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.operation_registry import group_help, operations
from ..core.params import format_bounds
from ..core.setting_values import join_parameters
from .operation_runs import JSON, OUTPUT, STRENGTHS, run_operation
from .options import NamedPath, field_type, metavar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.operation import Slot
    from ..core.operation_registry import OperationType
    from ..core.params import Field


def command_group(name: str) -> click.Command | None:
    """The group of commands of that name, or the one command that it is; None when no operation belongs to it."""
    members = operations().groups("cli").get(name)
    if members is None:
        return None
    if not members[0].spec.verb:
        return command(members[0])
    commands = {operation.spec.command.split()[-1]: command(operation) for operation in members}
    return click.Group(name, commands, help=group_help(name), short_help=group_help(name))


def command(operation: OperationType) -> click.Command:
    """The command of an operation."""

    def callback(**values: Any) -> None:
        sys.exit(run_operation(operation, values))

    params: list[click.Parameter] = [p for slot in operation.slots() for p in _slot_params(slot)]
    target = operation.target()
    if target is not None:
        file, name = NamedPath(path_type=Path), "DIR" if not target.suffix else "OUT"
        option, needed = ["-o", "--output", "--out", OUTPUT], not target.optional
        params.append(
            click.Argument([OUTPUT], type=file, metavar=name)
            if target.last
            else click.Option(option, required=needed, type=file, metavar=name, help=target.help)
        )
    params += [option for field in operation.fields() for option in _field_options(operation, field)]
    params.append(click.Option(["--json", JSON], is_flag=True, help="Print JSON."))
    made = OperationCommand(
        operation.spec.command.split()[-1], params=params, callback=callback, help=operation.__doc__
    )
    made.short_help, made.rows = operation.summary().partition(":")[0].rstrip("."), _input_rows(operation)
    made.details = operation.details()
    return made


class OperationCommand(click.Command):
    """Shows what its arguments are."""

    rows: tuple[tuple[str, str], ...] = ()
    details: Mapping[str, tuple[tuple[str, str], ...]] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``--NAME.PARAMETER VALUE`` where the operation takes parameters of others."""
        return super().parse_args(ctx, join_parameters(args, {param.name for param in self.params}))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the operation's own tables."""
        for title, rows in self.details.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the inputs, then the options."""
        if self.rows:
            with formatter.section("Inputs"):
                formatter.write_dl(self.rows)
        super().format_options(ctx, formatter)


class ParameterOption(click.Option):
    """Option of a parameter: its help with the bounds as every surface says them."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Spelling and help, without click's own bounds."""
        record = super().get_help_record(ctx)
        return None if record is None else (record[0], self.help or "")


def _input_rows(operation: OperationType) -> tuple[tuple[str, str], ...]:
    rows, target = [(slot.name.upper(), slot.help) for slot in operation.slots()], operation.target()
    return tuple([*rows, ("OUT", target.help)] if target is not None and target.last else rows)


def _slot_params(slot: Slot) -> Iterator[click.Parameter]:
    kind = click.STRING if slot.kind in ("text", "weights") else NamedPath(path_type=Path)
    many = slot.repeat != "one"
    name = slot.name.upper() + ("..." if many else "")
    label = f"[{name}]" if slot.optional else name
    yield click.Argument([slot.name], type=kind, metavar=label, nargs=-1 if many else 1, required=not slot.optional)
    if slot.kind == "loras":
        for option, text in STRENGTHS.items():
            number = option != "blocks"
            spelling = f"--{option.replace('_', '-')}"
            yield click.Option(
                [spelling, option],
                type=float if number else str,
                multiple=True,
                metavar="X" if number else "LIST",
                callback=_finite if number else None,
                help=text,
            )


def _field_options(operation: OperationType, field: Field) -> Iterator[click.Option]:
    """The option of a field, and hidden ones under its old names."""
    yield _option(field, field.name, f"{field.help}  [{format_bounds(field)}]")
    for old, new in operation.params_type.old_names.items():
        if new == field.name:
            yield _option(field, old, None)


def _option(field: Field, name: str, text: str | None) -> click.Option:
    word = name.rstrip("_").replace("_", "-")
    spelling = f"--{word}/--no-{word}" if field.kind == "bool" else f"--{word}"
    kind, shown = (None, None) if field.kind == "bool" else (field_type(field), metavar(field))
    many = {"multiple": True} if field.many else {}
    check = _finite if field.kind == "float" else None
    return ParameterOption(
        [spelling, name], type=kind, default=None, metavar=shown, help=text, hidden=text is None, callback=check, **many
    )


def _finite(_: click.Context, __: click.Parameter, values: Any) -> Any:
    if not all(math.isfinite(value) for value in (values if isinstance(values, tuple) else (values or 0,))):
        raise click.BadParameter("write a finite number")
    return values
