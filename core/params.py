"""One declaration per parameter: every surface (command line, nodes, widgets, docs, validation) is derived from it.

>>> class Demo(Params):
...     low: Annotated[int, between(0, 255, "Weak threshold")] = 100
>>> [(f.name, f.kind, f.default, f.low, f.high) for f in describe_fields(Demo)]
[('low', 'int', 100, 0, 255)]
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from .errors import BadParameter

FieldKind = Literal["int", "float", "bool", "choice", "text"]
Value = int | float | bool | str


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every parameter set. Fields are ``Annotated[type, between(...) or about(...)] = default``.

    old_names: earlier names of fields, old_choices: earlier values of a field's choices; both are accepted for one
    version, with a note (`current_values`).
    """

    old_names: ClassVar[dict[str, str]] = {}
    old_choices: ClassVar[dict[str, dict[str, str]]] = {}


P = TypeVar("P", bound=Params)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What a surface needs to know of one parameter. low, high and step are None where they do not apply.

    many: a text that holds several items, see `items`; a command line takes the option several times.
    """

    name: str
    kind: FieldKind
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    many: bool = False


def between(low: float, high: float, doc: str, *, step: float = 1) -> msgspec.Meta:
    """Number from low to high, both allowed; step is what a slider moves by."""
    return msgspec.Meta(ge=low, le=high, description=doc, extra={"step": step})


def about(doc: str, *, many: bool = False) -> msgspec.Meta:
    """One-line help of a field without bounds (bool, choice, text). many: a text of several items."""
    return msgspec.Meta(description=doc, extra={"many": many})


def items(text: str, *, commas: bool = False) -> list[str]:
    """Items of a text, which stand on lines of their own, behind semicolons or behind spaces; also behind commas.

    >>> items("nose=1,2; neck=+3,-4")
    ['nose=1,2', 'neck=+3,-4']
    """
    return [item for item in re.split(r"[\s;,]+" if commas else r"[\s;]+", text) if item]


@cache
def describe_fields(params: type[Params]) -> tuple[Field, ...]:
    """Describe the fields of a parameter set in order of declaration."""
    hints, names = get_type_hints(params, include_extras=True), {f.name for f in msgspec.structs.fields(params)}
    if lost := ({*params.old_names.values(), *params.old_choices} - names) | (set(params.old_names) & names):
        raise TypeError(f"earlier names of {params.__name__} do not fit its fields: {', '.join(sorted(lost))}")
    return tuple(_field(f.name, hints[f.name], f.default) for f in msgspec.structs.fields(params))


def current_values(params: type[Params], values: dict[str, Any], *, where: str) -> tuple[dict[str, Any], list[str]]:
    """Values under their present names, and a note for each earlier name or choice among them.

    Raises BadParameter where one parameter is given under both names.
    """
    result: dict[str, Any] = {}
    notes: list[str] = []
    for given, value in values.items():
        name = params.old_names.get(given, given)
        if name in result or (name != given and name in values):
            raise BadParameter(f"{given} and {name} are the same parameter", where=where, fix=f"give {name} only")
        if name != given:
            notes.append(f"{where}: {given} is now called {name}; the old name goes away with the next version")
        result[name] = params.old_choices.get(name, {}).get(value, value) if isinstance(value, str) else value
        if result[name] is not value:
            notes.append(f"{where}: {name} {value} is now called {result[name]}; the old one goes away likewise")
    return result, notes


def make_params(params: type[P], values: dict[str, Any], *, where: str, command: str = "") -> P:
    """Validate values from any surface into params; earlier names and choices are accepted.

    command: whose help page shows them; that of the annotator called where by default.

    Raises BadParameter for an unknown name, a wrong type or a value out of bounds.
    """
    values, _ = current_values(params, values, where=where)
    known = {f.name for f in describe_fields(params)}
    if unknown := sorted(set(values) - known):
        has = f"it has {', '.join(sorted(known))}" if known else "it has no parameters"
        raise BadParameter(f"unknown parameter {', '.join(unknown)}", where=where, fix=has)
    try:
        return msgspec.convert({name: _plain(value) for name, value in values.items()}, params)
    except msgspec.ValidationError as error:
        what = str(error).replace("`$.", "`")
        raise BadParameter(
            what, where=where, fix=f"see `underdrawing {command or f'annotate {where}'} --help`"
        ) from error


def clamp_values(params: type[Params], values: dict[str, Value]) -> dict[str, Value]:
    """Numbers brought into the bounds of their fields, for hosts whose own bounds are wider."""
    known = {field.name: field for field in describe_fields(params)}
    return {name: _clamp(known[name], value) if name in known else value for name, value in values.items()}


def _clamp(field: Field, value: Value) -> Value:
    if isinstance(value, (bool, str)) or field.low is None or field.high is None:
        return value
    number = min(max(value, field.low), field.high)
    return int(number) if field.kind == "int" else number


def format_bounds(field: Field) -> str:
    """Allowed values and default, as a help page says them."""
    allowed = f"{_bound(field.low)} to {_bound(field.high)}, " if field.low is not None else ""
    match field.kind:
        case "bool":
            return f"default: {'on' if field.default else 'off'}"
        case "text":
            return f"default: {field.default or 'empty'}"
        case "float":
            return f"{allowed}default: {field.default:g}"
        case "int" | "choice":
            return f"{allowed}default: {field.default}"


def _bound(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"


def _plain(value: Any) -> Any:
    """Python's own number in place of numpy's or torch's."""
    item = getattr(value, "item", None)
    return item() if callable(item) and not getattr(value, "shape", ()) else value


def _field(name: str, hint: Any, default: Value) -> Field:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"field {name} has no description: write Annotated[..., between(...) or about(...)]")
    kind, meta = get_args(hint)[:2]
    if default is msgspec.NODEFAULT:
        raise TypeError(f"field {name} has no default")
    if get_origin(kind) is Literal:
        return Field(name=name, kind="choice", default=default, help=meta.description, choices=get_args(kind))
    names: dict[Any, FieldKind] = {int: "int", float: "float", bool: "bool", str: "text"}
    extra: dict[str, Any] = {"step": None, "many": False, **(meta.extra or {})}
    return Field(
        name=name, kind=names[kind], default=default, help=meta.description, low=meta.ge, high=meta.le, **extra
    )
