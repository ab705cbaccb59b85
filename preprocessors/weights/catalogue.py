"""Every weights file of every annotator, by id, and who needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import BadParameter, MissingExtra, UnderdrawingError, UnknownName
from ...core.imports import describe_lacking, find_lacking, is_too_old
from ...core.similar_names import find_similar
from ...core.weights.store import get_store
from .inference_backend import list_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...core.annotator import Annotator
    from ...core.hooks import HostHooks
    from ...core.params import Params, Value
    from ...core.registry import Registry
    from ...core.weights.record import Weight


class PlannedRun(NamedTuple):
    """What a host will run. list_runs: annotators with parameters, or raises UnderdrawingError.

    unknown: inputs whose values come from other nodes and are not known yet.
    """

    label: str
    list_runs: Callable[[], Iterable[tuple[type[Annotator[Any]], dict[str, Value]]]]
    unknown: set[str]


def _registry() -> Registry:
    from .. import registry

    return registry


def records() -> dict[str, Weight]:
    """Every weight of every annotator, by id."""
    return {weight.id: weight for annotator in _registry() for weight in annotator.spec.weights}


def list_users(weight: Weight) -> list[str]:
    """Ids of the annotators that need a weight."""
    return [annotator.spec.id for annotator in _registry() if weight in annotator.spec.weights]


def list_loads(weight: Weight) -> Iterable[tuple[type[Annotator[Any]], Params]]:
    """Annotators that need a weight, each with parameters with which it does."""
    for annotator in (one for one in _registry() if weight in one.spec.weights):
        choices = [{field.name: value} for field in annotator.fields() for value in field.choices]
        for values in ({}, *choices):
            params = annotator.params(**values)
            if weight in annotator.weights_for(params):
                yield annotator, params
                break


def find_records(ids: Iterable[str]) -> list[Weight]:
    """Find weights by id or by their file's name. Raises UnknownName."""
    every = records()
    found: dict[str, Weight] = {}
    for name in ids:
        named = [every[name]] if name in every else [w for w in every.values() if Path(w.file).name == name]
        if len(named) != 1:
            near = find_similar(name, every) if not named else [w.id for w in named]
            fix = f"did you mean {' or '.join(near)}?" if near else "see `underdrawing weights list`"
            raise UnknownName(f"there is no weights file called {name!r}", fix=fix)
        found[named[0].id] = named[0]
    return list(found.values())


def find_needed(names: Iterable[str], choices: Sequence[str] = (), *, every: bool = False) -> list[Weight]:
    """Weights of annotators, by id or alias: what runs with default parameters, or the alias's.

    choices: values of their parameters, each for those that have it: ``small``, or with its parameter ``model=small``.
    every: all that the parameters can choose. Raises UnknownName, BadParameter for a choice that none of them has, and
    as `check_versions`.
    """
    found = [_registry().resolve(name) for name in names]
    if every:
        for one in found:
            check_versions(one.annotator, ())
        return [weight for one in found for weight in one.annotator.spec.weights]
    for choice in choices:
        if not any(_find_fields(one.annotator, choice) for one in found):
            offered = ", ".join(sorted({value for one in found for value in _list_choices(one.annotator)}))
            fix = f"choose of {offered}" if offered else "name the annotator that has it"
            raise BadParameter(f"no annotator named here has a choice of weights {choice!r}", where="model", fix=fix)
    needed: list[Weight] = []
    for one in found:
        chosen = dict(field for choice in choices for field in _find_fields(one.annotator, choice)[:1])
        weights = one.annotator.weights_for(one.annotator.params(**{**one.presets, **chosen}))
        check_versions(one.annotator, weights)
        needed += weights
    return needed


def check_versions(annotator: type[Annotator[Any]], weights: Iterable[Weight]) -> None:
    """Raise MissingExtra where a package that runs these files is here, in a version that cannot.

    A package that is not here may still be installed.
    """
    modules = [*annotator.find_missing(), *find_lacking(list_modules(weights))]
    if old := [module for module in dict.fromkeys(modules) if is_too_old(module)]:
        what, fix = describe_lacking(old)
        raise MissingExtra(what, where=annotator.spec.id, fix=fix)


def find_weights_of(runs: Iterable[PlannedRun], host: HostHooks) -> list[Weight]:
    """Weights that runs of annotators need, each once; runs whose values cannot be used are noted and left out."""
    needed: dict[str, Weight] = {}
    for run in runs:
        try:
            for annotator, values in run.list_runs():
                weights = annotator.weights_for(annotator.params(**values))
                check_versions(annotator, weights)
                needed |= {weight.id: weight for weight in weights}
                if names := sorted({field.name for field in annotator.fields()} & run.unknown):
                    host.note(f"{run.label}: {', '.join(names)} comes from another node; the default is taken")
        except UnderdrawingError as error:
            host.note(f"{run.label} left out: {error}")
    return list(needed.values())


def _find_fields(annotator: type[Annotator[Any]], choice: str) -> list[tuple[str, str]]:
    """Parameters of an annotator that have this choice, and the choice; one called model comes first."""
    name, equals, value = choice.partition("=")
    fields = sorted(annotator.fields(), key=lambda field: field.name != "model")
    if equals:
        return [(name, value) for field in fields if field.name == name and value in field.choices]
    return [(field.name, choice) for field in fields if choice in field.choices]


def _list_choices(annotator: type[Annotator[Any]]) -> list[str]:
    """Choices on which it depends which files an annotator needs, as they are written."""
    usual = annotator.weights_for(annotator.params())
    found: list[str] = []
    for field in annotator.fields():
        files = {value: annotator.weights_for(annotator.params(**{field.name: value})) for value in field.choices}
        found += [f"{field.name}={value}" for value in files if any(one != usual for one in files.values())]
    return found


def find_size(weights: Iterable[Weight]) -> str:
    """Size of several files in words; of some it may not be known."""
    sizes = [get_store().try_complete(weight).size for weight in weights]
    more = f" and {sizes.count(0)} of unknown size" if 0 in sizes else ""
    return f"{sum(sizes) / 1e6:.1f} MB{more}"


def describe_terms(weight: Weight) -> str:
    """Size and licence in words."""
    use = "commercial use allowed" if weight.commercial else "not for commercial use"
    pinned = get_store().describe_pin(weight)
    size = get_store().try_complete(weight).megabytes
    return f"{size}, {weight.licence}, {use}{'; ' + pinned if pinned else ''}"
