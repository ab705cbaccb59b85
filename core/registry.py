"""Annotators are found, not listed: one file each in ``preprocessors/``, or an entry point of another package."""

from __future__ import annotations

import importlib
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from .annotator import Annotator, Host
from .declarations import iter_entry_points, iter_modules, load_declarations
from .errors import UnderdrawingError, UnknownName
from .params import Value, make_params
from .similar_names import find_similar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .annotator import Alias
    from .params import Field

GROUP = "underdrawing.annotators"
LISTING = "run `underdrawing annotators` for the list"
WEIGHTS_SUFFIXES = (".pt", ".pth", ".onnx", ".safetensors", ".torchscript")
AnnotatorType = type[Annotator[Any]]
Source = tuple[str, "Callable[[], AnnotatorType]"]


class NameMatch(msgspec.Struct, frozen=True):
    """What a name stands for: an annotator and the parameter values the name implies.

    note: goes with every map when the name means another network elsewhere; empty otherwise.
    """

    annotator: AnnotatorType
    presets: dict[str, Value]
    note: str = ""

    def fields(self) -> tuple[Field, ...]:
        """Parameters, with the values that the name implies as defaults."""
        plain = self.annotator.fields()
        return tuple(msgspec.structs.replace(f, default=self.presets.get(f.name, f.default)) for f in plain)

    def earlier_fields(self) -> tuple[Field, ...]:
        """Parameters under their earlier names."""
        present = {field.name: field for field in self.fields()}
        names = self.annotator.params_type.old_names
        return tuple(msgspec.structs.replace(present[new], name=old) for old, new in names.items())

    def earlier_choices(self, field: Field) -> tuple[Value, ...]:
        """Choices that a parameter, under whatever name, had earlier."""
        params = self.annotator.params_type
        return tuple(params.old_choices.get(params.old_names.get(field.name, field.name), ()))


class MissingName(msgspec.Struct, frozen=True):
    """A known name that is not offered here. reason: why not; use: what to use instead."""

    name: str
    host: Host
    reason: str
    use: str


class Registry:
    """All annotators of a package and of installed plug-ins; files that fail to import are kept with their reason.

    absent: names that are not offered, and what to use instead.
    """

    def __init__(self, package: str, group: str = GROUP, absent: Iterable[MissingName] = ()) -> None:
        self._package, self._group, self._absent = package, group, tuple(absent)

    @cached_property
    def _load_all(self) -> tuple[dict[str, AnnotatorType], dict[str, str]]:
        return load_declarations(self._iter_sources(), _check)

    def _iter_sources(self) -> Iterator[Source]:
        path = importlib.import_module(self._package).__path__
        yield from iter_modules(self._package, path, Annotator)
        yield from iter_entry_points(self._group)

    @property
    def broken(self) -> dict[str, str]:
        """File or entry point name → why it could not be used."""
        return self._load_all[1]

    def __iter__(self) -> Iterator[AnnotatorType]:
        """In order of id."""
        return iter(self._load_all[0].values())

    def __len__(self) -> int:
        """How many annotators there are."""
        return len(self._load_all[0])

    @cached_property
    def names(self) -> dict[str, NameMatch]:
        """Every accepted name: ids first, then aliases (an alias never hides an id)."""
        names = {annotator.spec.id: NameMatch(annotator, {}) for annotator in self}
        for annotator in self:
            for alias in annotator.spec.aliases:
                names.setdefault(alias.name, NameMatch(annotator, alias.presets, describe_difference(annotator, alias)))
        return names

    def names_of(self, host: Host) -> dict[str, NameMatch]:
        """Ids, and the names that users of a host know."""
        known = {alias.name for a in self for alias in a.spec.aliases if alias.host == host}
        known |= {annotator.spec.id for annotator in self}
        return {name: match for name, match in self.names.items() if name in known}

    @cached_property
    def absent(self) -> dict[str, MissingName]:
        """Name → why it is not offered; a name that an annotator or a plug-in has is not among them."""
        return {absent.name: absent for absent in reversed(self._absent) if absent.name not in self.names}

    def find_problem(self, name: str) -> str:
        """Why a name is not accepted, and what to use in its place; empty where it is."""
        try:
            self.resolve(name)
        except UnderdrawingError as error:
            return str(error)
        return ""

    def resolve(self, name: str) -> NameMatch:
        """Find an annotator by id or alias; raises UnknownName with the nearest names or the reason it is missing."""
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UnknownName(f"{name!r} is no name of an annotator", fix=LISTING)
        if name in self.names:
            return self.names[name]
        if name in self.broken:
            raise UnknownName(
                f"annotator {name!r} could not be imported ({self.broken[name]})", fix="run `underdrawing doctor`"
            )
        if absent := self.absent.get(name):
            raise UnknownName(f"{name!r} is not offered: {absent.reason}", fix=f"use {absent.use}")
        raise UnknownName(f"there is no annotator called {name!r}", fix=self._suggest(name))

    def _suggest(self, name: str) -> str:
        near = find_similar(name, [*self.names, *self.absent])
        if near and (absent := self.absent.get(near[0])):
            return f"if you mean {absent.name}: it is not offered ({absent.reason}); use {absent.use}"
        offered = [known for known in near if known in self.names]
        return f"did you mean {' or '.join(offered)}?" if offered else LISTING


def describe_difference(annotator: AnnotatorType, alias: Alias) -> str:
    """Note for maps of a name that means another network where it comes from."""
    if not alias.instead:
        return ""
    return f"{alias.name} means {alias.instead} elsewhere; here it is {annotator.spec.title} ({annotator.spec.id})"


def read_alias_inputs(alias: Alias, given: dict[str, Any]) -> dict[str, Value]:
    """Parameters that the inputs of another pack's node stand for; they are taken out of given.

    What they leave out is as in that pack; the resolution is no parameter.
    """
    meant = dict(alias.presets)
    for widget in alias.widgets:
        if widget.name != "resolution":
            meant |= widget.values(given.pop(widget.name, widget.default))
    return meant


def describe_other_files(annotator: AnnotatorType, values: dict[str, Value], names: Iterable[Any]) -> str:
    """Note for maps of a workflow that names files of another pack: which of ours stand for them; empty if the same.

    Raises BadParameter as the annotator would.
    """
    files = annotator.weights_for(annotator.params(**values))
    known = {PurePosixPath(name).name for weight in files for name in (weight.file, *weight.known_as)}
    asked = {name: None for name in names if isinstance(name, str) and name.endswith(WEIGHTS_SUFFIXES)}
    others = [name for name in asked if name not in known]
    ours = [name for weight in files if (name := PurePosixPath(weight.file).name) not in asked]
    return f"{', '.join(ours)} in place of {', '.join(others)}" if others and ours else ""


def _check(annotator: AnnotatorType) -> None:
    """Raise what is wrong with its fields or the values that its aliases stand for."""
    annotator.fields()
    for alias in annotator.spec.aliases:
        make_params(annotator.params_type, alias.presets, where=f"{annotator.spec.id} alias {alias.name}")
