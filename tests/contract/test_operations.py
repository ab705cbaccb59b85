"""What every operation promises, asked of every entry of the registry: a new file is tested without a line here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import click
import pytest
from tests.support.command_line import quiet, run

from underdrawing.core.operation import Host, Operation
from underdrawing.core.operation_registry import operations
from underdrawing.core.slots import Repeat, SlotKind

if TYPE_CHECKING:
    from tests.support.command_line import Run

__all__ = ["quiet", "run"]

OPERATIONS = list(operations())

every = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.spec.id)


def is_help(text: str) -> bool:
    """One line without a full stop."""
    return bool(text.strip()) and "\n" not in text and not text.endswith(".")


def test_every_file_of_the_folders_is_an_operation() -> None:
    assert operations().broken == {}
    assert len(OPERATIONS) > 5


@every
def test_the_spec_is_complete(operation: type[Operation[Any, Any]]) -> None:
    spec = operation.spec
    assert re.fullmatch(r"[a-z]+\.[a-z][a-z0-9_]*", spec.id)
    assert operation.__module__.rpartition(".")[2] == spec.id.replace(".", "_")
    assert spec.title
    assert set(spec.hosts) <= set(get_args(Host))
    assert set(spec.names) <= set(get_args(Host))


@every
def test_the_docstring_is_help(operation: type[Operation[Any, Any]]) -> None:
    lines = (operation.__doc__ or "").splitlines()
    assert lines
    assert operation.__doc__ != Operation.__doc__
    assert lines[0].endswith(".")
    assert 10 <= len(lines[0]) <= 120
    assert len(lines) == 1 or not lines[1].strip()


@every
def test_inputs_are_described(operation: type[Operation[Any, Any]]) -> None:
    for slot in operation.slots():
        assert slot.kind in get_args(SlotKind)
        assert slot.repeat in get_args(Repeat)
        assert is_help(slot.help), slot.name
    target = operation.target()
    assert target is None or is_help(target.help)


@every
def test_parameters_are_described_and_bounded(operation: type[Operation[Any, Any]]) -> None:
    taken = {slot.name for slot in operation.slots()}
    for field in operation.fields():
        assert operation.params(**{field.name: field.default}) == operation.params()
        assert re.fullmatch(r"[a-z][a-z0-9_]*", field.name)
        assert field.name not in taken
        assert is_help(field.help), field.name
        if field.kind in ("int", "float"):
            assert field.low is not None
            assert field.high is not None
            assert field.low <= float(field.default) <= field.high
        if field.kind == "choice":
            assert field.default in field.choices


def test_no_title_is_taken_twice() -> None:
    titles = [operation.spec.title for operation in OPERATIONS]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("operation", operations().of_host("cli"), ids=lambda operation: operation.spec.id)
def test_it_is_a_command_with_all_its_parameters(operation: type[Operation[Any, Any]], run: Run) -> None:
    from underdrawing.cli.operations import command

    page = run(operation.spec.group, operation.spec.verb, "--help")
    assert page.code == 0
    assert operation.summary().split()[0] in page.out
    options = {param.name for param in command(operation).params if isinstance(param, click.Option)}
    assert {field.name for field in operation.fields()} <= options
    assert run(operation.spec.group, operation.spec.verb, "--no-such-option").code == 2
