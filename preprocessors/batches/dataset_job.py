"""From what a user asks of a data set to a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.dataset.filters import check_filters
from ...core.dataset.job import JobAnnotator
from ...core.dataset.random_values import RandomValue, iter_choices, parse_random
from ...core.errors import BadParameter
from ...core.params import current_values
from ...core.setting_values import OFF, ON
from ...core.weights.store import get_store
from .. import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...core.dataset.options import FilterParams
    from ...core.params import Field, Value
    from ...core.registry import NameMatch


def plan_annotators(names: str, assignments: str, filters: FilterParams) -> tuple[JobAnnotator, ...]:
    """Annotators of a run, separated by commas, with their parameters.

    assignments: lines ``NAME.PARAMETER=VALUE``, where a value may be a distribution. Raises UnknownName, BadParameter.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not wanted:
        raise BadParameter("no annotator is named", where="--annotators", fix="give one or more, with commas")
    matches = {name: registry.resolve(name) for name in wanted}
    for name, match in matches.items():
        if match.annotator.spec.takes_mask:
            fix = "use `underdrawing annotate`, which reads masks"
            raise BadParameter("needs a mask for every picture, which data sets have not", where=name, fix=fix)
    check_filters(filters, {name: match.annotator.spec for name, match in matches.items()})
    given = _split(assignments.splitlines(), matches)
    return tuple(_plan(name, match, given[name]) for name, match in matches.items())


def _split(lines: Iterable[str], matches: dict[str, NameMatch]) -> dict[str, dict[str, str]]:
    given: dict[str, dict[str, str]] = {name: {} for name in matches}
    for line in filter(str.strip, lines):
        place, equals, value = line.strip().partition("=")
        owner, dot, parameter = place.rpartition(".")
        if not (equals and dot):
            raise BadParameter(f"{line!r} is no parameter", where="--parameter", fix="write NAME.PARAMETER=VALUE")
        owners = [name for name, match in matches.items() if owner in (name, match.annotator.spec.id)]
        if not owners:
            fix = f"the annotators of this run are {', '.join(matches)}"
            raise BadParameter(f"{owner} is no annotator of this run", where=f"--{place}", fix=fix)
        for name in owners:
            given[name][re.sub("-", "_", parameter)] = value
    return given


def _plan(name: str, match: NameMatch, given: dict[str, str]) -> JobAnnotator:
    kind = match.annotator.params_type
    texts, _ = current_values(kind, {**match.presets, **given}, where=name)
    fields = {field.name: field for field in match.annotator.fields()}
    if unknown := sorted(texts.keys() - fields.keys()):
        fix = f"it has {', '.join(fields)}" if fields else "it has no parameters"
        raise BadParameter(f"unknown parameter {', '.join(unknown)}", where=name, fix=fix)
    fixed: dict[str, Value] = {}
    random: dict[str, RandomValue] = {}
    for parameter, value in texts.items():
        found = parse_random(value, fields[parameter], where=name) if isinstance(value, str) else None
        if found is not None:
            random[parameter] = found
        else:
            fixed[parameter] = _read(value, fields[parameter], name) if parameter in given else value
    for ends in ({}, *({parameter: end} for parameter, value in random.items() for end in value.ends())):
        match.annotator.params(**{**fixed, **ends})
    spec, params = match.annotator.spec, msgspec.to_builtins(match.annotator.params(**fixed))
    return JobAnnotator(
        name=name,
        id=spec.id,
        version=spec.version,
        params={key: value for key, value in params.items() if key not in random},
        random=random,
        weights=_find_weights(match, fixed, random),
    )


def _read(text: Any, field: Field, name: str) -> Value:
    """Value of a parameter from a text. Raises BadParameter; bounds are checked with the others'."""
    place = f"{name}.{field.name}"
    text = str(text)
    if field.kind == "bool":
        if text.lower() not in ON + OFF:
            raise BadParameter(f"{text!r} is neither on nor off", where=place, fix="write true or false")
        return text.lower() in ON
    if field.kind in ("choice", "text"):
        return text
    try:
        return int(text) if field.kind == "int" else float(text)
    except ValueError as error:
        kind = "whole number" if field.kind == "int" else "number"
        fix = (
            f'write one, or a distribution as "uniform({field.low:g},{field.high:g})"' if field.low is not None else ""
        )
        raise BadParameter(f"{text!r} is not a {kind}", where=place, fix=fix) from error


def _find_weights(match: NameMatch, fixed: dict[str, Value], random: dict[str, RandomValue]) -> dict[str, str]:
    """Hashes of all files that any of the parameters needs."""
    annotator = match.annotator
    needed = [
        weight
        for chosen in iter_choices(random)
        for weight in annotator.weights_for(annotator.params(**{**fixed, **chosen}))
    ]
    return {weight.id: get_store().complete(weight).sha256 for weight in needed}


def measure_weights(annotators: Sequence[JobAnnotator]) -> int:
    """Bytes of all weights files of a run, each once."""
    sizes = {
        weight.id: weight.size
        for one in annotators
        for weight in registry.resolve(one.name).annotator.spec.weights
        if weight.id in one.weights
    }
    return sum(sizes.values())


def list_names(annotators: Sequence[JobAnnotator]) -> str:
    """Names with versions, for messages."""
    return ", ".join(f"{one.name} (version {one.version})" for one in annotators)
