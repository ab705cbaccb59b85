"""One suite over every operation: the same parameters in every host, safe files, reports as JSON."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import pytest
from click.testing import CliRunner
from tests.support.fake_host import Host

from underdrawing.cli.operations import command
from underdrawing.core.operation import Host as OperationHost
from underdrawing.core.operation import Operation
from underdrawing.core.operation_registry import OperationRegistry, group_help, operations
from underdrawing.core.params import Field
from underdrawing.core.slots import Repeat, SlotKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from underdrawing.core.operation_registry import OperationType

ROOT = Path(__file__).resolve().parents[2]
EVERY = list(operations())
IN_COMFYUI = operations().of_host("comfyui")


def name_of(operation: OperationType) -> str:
    return operation.spec.id


every = pytest.mark.parametrize("operation", EVERY, ids=name_of)
in_comfyui = pytest.mark.parametrize("operation", IN_COMFYUI, ids=name_of)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Class name → inputs of the node, under a stub of the host."""
    host = Host(tmp_path_factory.mktemp("host"))
    host.enter()
    try:
        from underdrawing.comfy_nodes import operations as made

        yield {name: node.INPUT_TYPES() for name, node in made.nodes().items()}  # type: ignore[attr-defined]
    finally:
        host.leave()


def class_name(operation: OperationType) -> str:
    from underdrawing.comfy_nodes.operations import class_name

    return class_name(operation)


@cache
def options(operation: OperationType) -> dict[str, click.Option]:
    return {p.name or "": p for p in command(operation).params if isinstance(p, click.Option)}


@cache
def page() -> str:
    return (ROOT / "docs" / "operations.md").read_text("utf-8")


def section(operation: OperationType) -> str:
    start = page().index(f"### {operation.spec.command}\n")
    return re.split(r"\n#{2,3} ", page()[start + 4 :])[0]


def test_no_operation_is_broken() -> None:
    assert operations().broken == {}


def is_help(text: str) -> bool:
    """One line without a full stop."""
    return bool(text.strip()) and "\n" not in text and not text.endswith(".")


@every
def test_a_declaration_is_complete(operation: OperationType) -> None:
    spec = operation.spec
    assert re.fullmatch(r"[a-z]+(\.[a-z][a-z0-9_]*)?", spec.id)
    assert spec.verb or [other for other in EVERY if other.spec.group == spec.group] == [operation]
    assert operation.__module__.rpartition(".")[2] == spec.id.replace(".", "_")
    assert spec.title
    assert {*spec.hosts, *spec.names} <= set(get_args(OperationHost))
    assert group_help(spec.group)
    names = [s.name for s in operation.slots()] + [f.name for f in operation.fields()]
    assert len(set(names)) == len(names)


def test_no_title_is_taken_twice() -> None:
    titles = [operation.spec.title for operation in EVERY]
    assert len(set(titles)) == len(titles)


@every
def test_the_docstring_is_help(operation: OperationType) -> None:
    lines = (operation.__doc__ or "").splitlines()
    assert lines
    assert operation.__doc__ != Operation.__doc__
    assert operation.summary().endswith((".", ":"))
    assert 10 <= len(lines[0]) <= 120
    assert len(lines) == 1 or not lines[1].strip()


@every
def test_inputs_are_described(operation: OperationType) -> None:
    for slot in operation.slots():
        assert slot.kind in get_args(SlotKind)
        assert slot.repeat in get_args(Repeat)
        assert is_help(slot.help), slot.name
    target = operation.target()
    assert target is None or is_help(target.help)


@every
def test_parameters_are_described_and_bounded(operation: OperationType) -> None:
    for field in operation.fields():
        assert operation.params(**{field.name: field.default}) == operation.params()
        assert is_help(field.help), field.name
        if field.kind in ("int", "float"):
            assert field.low is not None
            assert field.high is not None
            assert field.low <= float(field.default) <= field.high
        if field.kind == "choice":
            assert field.default in field.choices


@every
def test_the_command_has_every_parameter_with_its_bounds_and_help(operation: OperationType) -> None:
    shown = CliRunner().invoke(command(operation), ["--help"], terminal_width=400, max_content_width=400)
    assert shown.exit_code == 0
    for field in operation.fields():
        option = options(operation)[field.name]
        assert f"--{field.name.rstrip('_').replace('_', '-')}" in option.opts
        assert field.help in shown.output
        check_bounds(field, option)


def check_bounds(field: Field, option: click.Option) -> None:
    if field.kind in ("int", "float"):
        assert isinstance(option.type, (click.IntRange, click.FloatRange))
        assert (option.type.min, option.type.max) == (field.low, field.high)
    if field.kind == "choice":
        assert isinstance(option.type, click.Choice)
        assert tuple(option.type.choices) == field.choices


@in_comfyui
def test_the_node_has_every_parameter_with_its_bounds_and_help(operation: OperationType, nodes: dict[str, Any]) -> None:
    shown = nodes[class_name(operation)]
    inputs = {**shown["required"], **shown["optional"]}
    for field in operation.fields():
        kind, details = inputs[field.name]
        assert (details["default"], details["tooltip"]) == (field.default, field.help)
        if field.kind in ("int", "float"):
            assert (details["min"], details["max"]) == (field.low, field.high)
        if field.kind == "choice":
            assert tuple(kind) == field.choices


@every
def test_the_page_has_every_parameter_with_its_bounds_and_help(operation: OperationType) -> None:
    text = section(operation)
    for field in operation.fields():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{field.name}` |")]
        assert field.help in row
        assert all(choice in row for choice in field.choices)
        if field.low is not None and field.high is not None:
            assert f"{field.low:g} to {field.high:g}" in row


@every
def test_nothing_heavy_is_imported_by_a_declaration(operation: OperationType) -> None:
    source = Path(sys.modules[operation.__module__].__file__ or "").read_text("utf-8")
    assert not re.search(r"^(import|from) (torch|numpy|cv2|PIL|click)", source, re.MULTILINE)


@every
def test_wrong_values_are_refused_by_name(operation: OperationType) -> None:
    from underdrawing.core.errors import BadParameter

    with pytest.raises(BadParameter, match=re.escape(operation.spec.id)):
        operation.params(no_such_parameter=1)
    for field in operation.fields():
        if field.high is not None:
            with pytest.raises(BadParameter):
                operation.params(**{field.name: field.high + 1})


BROKEN = "import a_module_that_does_not_exist\n"
GOOD = '''
from __future__ import annotations
from underdrawing.core.operation import Inputs, Job, Operation, Report, Spec
from underdrawing.core.params import Params


class Count(Operation[Inputs, Params]):
    """Count to three."""

    spec = Spec(id="ID", title="Count")

    def run(self, inputs: Inputs, params: Params, job: Job) -> Report:
        return Report(text="3")
'''


def test_operations_are_found_and_a_broken_file_takes_nothing_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"rooms_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name / "room" / "operations"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent, folder.parent.parent):
        (place / "__init__.py").touch()
    for file, text in {
        "some_count": GOOD.replace("ID", "some.count"),
        "some_broken": BROKEN,
        "some_twice": GOOD.replace("ID", "some.count"),
        "some_odd": GOOD.replace("ID", "odd."),
        "some": GOOD.replace("ID", "some"),
        "alone": GOOD.replace("ID", "alone"),
        "_shared": BROKEN,
    }.items():
        (folder / f"{file}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = OperationRegistry(name, group="underdrawing.test.none")
    assert [operation.spec.id for operation in found] == ["alone", "some.count"]
    assert set(found.broken) == {"some.broken", "some.twice", "some.odd", "some"}
    assert "a_module_that_does_not_exist" in found.broken["some.broken"]
