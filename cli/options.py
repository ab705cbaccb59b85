"""From parameter fields to command line options: one `match` over five kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..core.images.opening import URL
from ..core.params import format_bounds
from ..core.report_text import escape_controls
from ..core.setting_values import spell_out_switches
from ..core.similar_names import find_similar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..core.params import Field, Value
    from ..core.registry import NameMatch

FIELD = "field_"
"""Start of the names under which click hands field values over."""
EARLIER = "earlier"
"""Owner, in identifiers, of parameters under their earlier names."""


class NamedPath(click.Path):
    """Path whose name is not empty; an empty one would stand for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the name. Raises click.BadParameter."""
        if isinstance(value, str) and not value.strip():
            self.fail("the name is empty; write . for the current folder", param, ctx)
        if isinstance(value, str) and URL.match(value):
            self.fail(f"{escape_controls(value)} is a URL; name a file or folder on this machine", param, ctx)
        return super().convert(value, param, ctx)


class NamedAnnotator(msgspec.Struct, frozen=True):
    """An annotator as the user named it: an id, or an alias with the values it stands for."""

    name: str
    resolved: NameMatch

    @property
    def id(self) -> str:
        """Id of the annotator."""
        return self.resolved.annotator.spec.id

    def type_of(self, field: Field) -> click.ParamType[Any]:
        """Type of a field's option, which takes earlier choices too."""
        earlier = self.resolved.earlier_choices(field)
        return ChoiceOrEarlier(field.choices, earlier) if earlier else field_type(field)


class NamedChoice(click.Choice[str]):
    """Choice that names the nearest ones first."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """What was typed, what is like it, and all there are."""
        near = find_similar(str(value), self.choices)
        hint = f" Next: write {' or '.join(near)}." if near else ""
        return f"{super().get_invalid_choice_message(value, ctx)}{hint}"


class ChoiceOrEarlier(NamedChoice):
    """Choice that also takes values that are not offered any more."""

    def __init__(self, choices: Sequence[str], earlier: Iterable[Any]) -> None:
        super().__init__(choices)
        self.earlier = frozenset(earlier)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Pass an earlier value on as it is."""
        return value if value in self.earlier else super().convert(value, param, ctx)


class FieldOption(click.Option):
    """Option made of a field. of: name of the annotator whose help shows it; empty for one that is not shown."""

    def __init__(self, field: Field, declarations: list[str], of: str, kind: click.ParamType[Any]) -> None:
        super().__init__(declarations, type=kind, help=field.help, metavar=metavar(field), hidden=not of)
        self.field, self.of = field, of

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """First spelling, and the help with values and default."""
        if not self.of:
            return None
        return f"{self.opts[0]} {self.metavar}".rstrip(), f"{self.field.help}  [{format_bounds(self.field)}]"


def metavar(field: Field) -> str:
    """Placeholder of a value."""
    match field.kind:
        case "choice":
            return "|".join(field.choices)
        case "bool":
            return ""
        case "int" | "float" | "text":
            return field.kind.upper()


def field_type(field: Field) -> click.ParamType[Any]:
    """Type of the option that a field becomes."""
    match field.kind:
        case "int":
            return click.IntRange(_whole(field.low), _whole(field.high))
        case "float":
            return click.FloatRange(field.low, field.high)
        case "bool":
            return click.BOOL
        case "choice":
            return NamedChoice(field.choices)
        case "text":
            return click.STRING


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def spellings(field: str, owner: str = "") -> list[str]:
    """Options of a field, the shown one first: ``--low-threshold``, ``--low_threshold``; ``--OWNER.low-threshold``."""
    start = f"--{owner}." if owner else "--"
    return list(dict.fromkeys((f"{start}{field.replace('_', '-')}", f"{start}{field}")))


def identifier(field: str, owner: str = "") -> str:
    """Name under which click hands the value over."""
    place = f"{owner}.{field}" if owner else field
    return FIELD + "".join(letter if letter.isalnum() or letter == "_" else f"__{ord(letter):x}__" for letter in place)


def options(
    named: Sequence[NamedAnnotator], reserved: set[str], extra: Sequence[NamedAnnotator] = ()
) -> list[click.Option]:
    """Options of all fields: ``--field`` for every annotator that has it, and ``--NAME.field`` for one of several.

    reserved: spellings in use already; such a field is only reached by ``--NAME.field``. extra: annotators that
    are only reached by ``--NAME.field``.
    """
    made: dict[str, click.Option] = {}
    for one in named:
        for field in one.resolved.fields():
            title = one.name if len(named) == 1 else ""
            if not reserved & set(spellings(field.name)) and identifier(field.name) not in made:
                made[identifier(field.name)] = _shared_option(one, field, named, title)
    for one in (*named, *extra):
        for owner in dict.fromkeys((one.name, one.id)):
            for field in one.resolved.fields():
                hidden = owner != one.name or (identifier(field.name) in made and len(named) == 1)
                key = identifier(field.name, owner)
                declarations = [*spellings(field.name, owner), key]
                made.setdefault(key, FieldOption(field, declarations, "" if hidden else one.name, one.type_of(field)))
    return [*made.values(), *_earlier_options(named, reserved, extra)]


def _shared_option(one: NamedAnnotator, field: Field, named: Iterable[NamedAnnotator], title: str) -> click.Option:
    others = [other for one in named for other in one.resolved.fields() if other.name == field.name]
    same = all(field_type(other).to_info_dict() == field_type(field).to_info_dict() for other in others)
    kind = one.type_of(field) if same else click.STRING
    return FieldOption(field, [*spellings(field.name), identifier(field.name)], title, kind)


def _earlier_options(
    named: Sequence[NamedAnnotator], reserved: set[str], extra: Sequence[NamedAnnotator]
) -> list[click.Option]:
    """Hidden options of earlier names; one that is a parameter's present name elsewhere is reached by --NAME.field."""
    result: dict[str, click.Option] = {}
    free = _free_old_names(named)
    for one in (*named, *extra):
        for field in one.resolved.earlier_fields():
            shared = one in named and field.name in free and not reserved & set(spellings(field.name))
            for owner in (*([""] if shared else []), one.name, one.id):
                key = identifier(field.name, owner or EARLIER)
                declarations = [*spellings(field.name, owner), key]
                result.setdefault(key, FieldOption(field, declarations, "", one.type_of(field)))
    return list(result.values())


def _free_old_names(named: Iterable[NamedAnnotator]) -> set[str]:
    """Earlier names that are no present name of any of these annotators."""
    named = list(named)
    present = {field.name for one in named for field in one.resolved.fields()}
    return {field.name for one in named for field in one.resolved.earlier_fields()} - present


def pick_values(one: NamedAnnotator, values: dict[str, Any]) -> dict[str, Value]:
    """What the user asked of this annotator, under the names they used; the more exact spelling wins."""
    picked: dict[str, Value] = {}
    for field, general in (
        *((f, "") for f in one.resolved.fields()),
        *((f, EARLIER) for f in one.resolved.earlier_fields()),
    ):
        for owner in (general, one.id, one.name):
            value = values.get(identifier(field.name, owner))
            if value is not None:
                picked[field.name] = one.type_of(field).convert(value, None, None)
    return picked


def spell_out_flags(args: Sequence[str], named: Iterable[NamedAnnotator]) -> list[str]:
    """Let ``--safe``, ``--safe true``, ``--safe=true`` and ``--no-safe`` be said."""
    return spell_out_switches(args, set(_each_switch(named)))


def _each_switch(named: Iterable[NamedAnnotator]) -> Iterator[str]:
    named = list(named)
    free = _free_old_names(named)
    for one in named:
        earlier = [(field, field.name in free) for field in one.resolved.earlier_fields()]
        for field, is_general in [*((field, True) for field in one.resolved.fields()), *earlier]:
            if field.kind == "bool":
                for owner in ("", one.id, one.name) if is_general else (one.id, one.name):
                    yield from spellings(field.name, owner)
