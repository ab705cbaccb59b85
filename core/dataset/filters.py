"""Which rows are written: filters on the picture before anything runs, and on what its maps show."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..annotator import Kind
from ..errors import BadParameter
from .facts import EDGE_KINDS
from .options import FilterParams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..annotator import Spec
    from ..images.geometry import Size
    from .facts import MapFacts

RefusalKind = Literal["size", "aspect", "people", "keypoints", "edges", "depth"]
"""What a row was filtered for, as reports count it."""


class Refusal(NamedTuple):
    """Why a row is not written."""

    kind: RefusalKind
    reason: str


class Aspect(NamedTuple):
    """Bounds of width / height, both allowed."""

    low: Fraction
    high: Fraction


def parse_aspect(text: str) -> Aspect | None:
    """Read LOW..HIGH or one ratio; None for an empty text. Raises BadParameter."""
    if not text.strip():
        return None
    low, dots, high = text.partition("..")
    aspect = Aspect(_parse_ratio(low, text), _parse_ratio(high if dots else low, text))
    if aspect.low > aspect.high:
        raise BadParameter(f"{text!r} has its ends in the wrong order", where="aspect", fix=f"write {high}..{low}")
    return aspect


def _parse_ratio(part: str, text: str) -> Fraction:
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:[:/]\s*(\d{1,9}(?:\.\d{1,9})?)\s*)?", part, re.ASCII)
    above, below = (Fraction(match[1]), Fraction(match[2] or 1)) if match else (Fraction(0), Fraction(1))
    if not above or not below:
        fix = "write width to height, for example 3:4..4:3 or 0.5..2"
        raise BadParameter(f"{text!r} is not a range of aspects", where="aspect", fix=fix)
    return above / below


_USES: dict[str, tuple[str, frozenset[Kind]]] = {
    "min_people": ("poses", frozenset({Kind.POSE})),
    "max_people": ("poses", frozenset({Kind.POSE})),
    "min_keypoints": ("poses", frozenset({Kind.POSE})),
    "min_edges": ("edges or lines", EDGE_KINDS),
    "max_edges": ("edges or lines", EDGE_KINDS),
    "min_depth": ("depth", frozenset({Kind.DEPTH})),
}
"""Filter → what it measures, and the families of maps that show it."""


def check_filters(filters: FilterParams, specs: Mapping[str, Spec]) -> None:
    """Make sure that the filters can be met. specs: name → declaration of the annotators of a run.

    Raises BadParameter for a range that is none, and for a filter that no annotator of the run measures.
    """
    parse_aspect(filters.aspect)
    _check_order("people", filters.min_people, filters.max_people or filters.min_people)
    _check_order("edges", filters.min_edges, filters.max_edges)
    defaults = FilterParams()
    for name, (what, kinds) in _USES.items():
        asked = getattr(filters, name) != getattr(defaults, name)
        if asked and not any(spec.kind in kinds for spec in specs.values()):
            fix = f"add an annotator of {what} to --annotators, or leave the filter out"
            have = ", ".join(specs) or "none"
            raise BadParameter(f"no annotator of the run shows {what} ({have})", where=_option(name), fix=fix)


def _check_order(what: str, low: float, high: float) -> None:
    if low > high:
        raise BadParameter(
            f"min_{what} {low:g} is above max_{what} {high:g}", where=_option(f"min_{what}"), fix="exchange them"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def list_filters(filters: FilterParams) -> dict[str, Any]:
    """Filters that differ from what filters nothing, for a record of the run."""
    defaults = FilterParams()
    names = (field for field in FilterParams.__struct_fields__)
    return {name: getattr(filters, name) for name in names if getattr(filters, name) != getattr(defaults, name)}


def refuse_picture(filters: FilterParams, size: Size) -> Refusal | None:
    """Why a picture of this size is left out, before any annotator runs; None where it is not."""
    shorter = min(size)
    if shorter < filters.min_size:
        return Refusal("size", f"its shorter side has {shorter} pixels, less than {filters.min_size}")
    aspect = parse_aspect(filters.aspect)
    if aspect is not None and not aspect.low <= Fraction(size.width, size.height) <= aspect.high:
        return Refusal("aspect", f"{size.width} x {size.height} pixels are not within {filters.aspect.strip()}")
    return None


def refuse_maps(filters: FilterParams, facts: Mapping[str, MapFacts]) -> Refusal | None:
    """Why a row is left out for what its maps show; None where it is not. facts: name of the annotator → of its map.

    Every map that shows what a filter measures must pass it.
    """
    for name, one in facts.items():
        refusal = _refuse_people(filters, one) or _refuse_edges(filters, one) or _refuse_depth(filters, one)
        if refusal is not None:
            return Refusal(refusal.kind, f"{name}: {refusal.reason}")
    return None


def _refuse_people(filters: FilterParams, facts: MapFacts) -> Refusal | None:
    if facts.people is None or facts.keypoints is None:
        return None
    people = facts.people + (facts.animals or 0)
    if people < filters.min_people:
        return Refusal("people", f"{_count(people)}, less than {filters.min_people}")
    if filters.max_people and people > filters.max_people:
        return Refusal("people", f"{_count(people)}, more than {filters.max_people}")
    if filters.min_keypoints:
        complete = sum(share >= filters.min_keypoints for share in facts.keypoints)
        least = max(1, filters.min_people)
        if complete < least:
            what = f"{_count(complete)} with {filters.min_keypoints:g} of the keypoints, less than {least}"
            return Refusal("keypoints", what)
    return None


def _count(people: int) -> str:
    return "1 person" if people == 1 else f"{people} people"


def _refuse_edges(filters: FilterParams, facts: MapFacts) -> Refusal | None:
    if facts.edges is None:
        return None
    if facts.edges < filters.min_edges:
        return Refusal("edges", f"share of edges {facts.edges:g}, less than {filters.min_edges:g}")
    if facts.edges > filters.max_edges:
        return Refusal("edges", f"share of edges {facts.edges:g}, more than {filters.max_edges:g}")
    return None


def _refuse_depth(filters: FilterParams, facts: MapFacts) -> Refusal | None:
    if facts.depth is None or facts.depth.spread >= filters.min_depth:
        return None
    return Refusal("depth", f"spread of depth {facts.depth.spread:g}, less than {filters.min_depth:g}")
