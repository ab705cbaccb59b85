"""Filters of data sets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.dataset.facts import DepthFacts, MapFacts
from underdrawing.core.dataset.filters import (
    FilterParams,
    check_filters,
    list_filters,
    parse_aspect,
    refuse_maps,
    refuse_picture,
)
from underdrawing.core.errors import BadParameter
from underdrawing.core.images.geometry import Size
from underdrawing.preprocessors import registry

SPECS = {name: registry.resolve(name).annotator.spec for name in ("canny", "hed", "depth_dav2", "pose_dwpose")}


def test_what_is_left_as_it_is_filters_nothing() -> None:
    nothing = FilterParams()
    assert refuse_picture(nothing, Size(1, 5000)) is None
    facts = MapFacts(8, 8, people=0, keypoints=(), edges=0.0, depth=DepthFacts(0, 0, 0))
    assert refuse_maps(nothing, {"any": facts}) is None
    assert list_filters(nothing) == {}
    check_filters(nothing, {})


def test_filters_that_differ_are_recorded() -> None:
    assert list_filters(FilterParams(min_people=1, aspect="1..2")) == {"min_people": 1, "aspect": "1..2"}


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        (Size(512, 512), None),
        (Size(600, 800), None),
        (Size(800, 600), None),
        (Size(511, 600), "size"),
        (Size(600, 801), "aspect"),
        (Size(900, 600), "aspect"),
    ],
)
def test_pictures_are_filtered_by_their_size_before_anything_runs(size: Size, kind: str | None) -> None:
    refusal = refuse_picture(FilterParams(min_size=512, aspect="3:4..4:3"), size)
    assert (refusal and refusal.kind) == kind


@pytest.mark.parametrize(
    ("filters", "facts", "kind", "reason"),
    [
        ({"min_people": 2}, {"people": 1, "keypoints": (1.0,)}, "people", "1 person, less than 2"),
        ({"min_people": 1}, {"people": 1, "keypoints": (0.1,)}, None, ""),
        ({"min_people": 1}, {"people": 0, "keypoints": (0.9,), "animals": 1}, None, ""),
        ({"max_people": 1}, {"people": 2, "keypoints": (1, 1)}, "people", "2 people, more than 1"),
        ({"min_keypoints": 0.3}, {"people": 2, "keypoints": (0.3, 0.1)}, None, ""),
        ({"min_keypoints": 0.3}, {"people": 1, "keypoints": (0.2,)}, "keypoints", "0 people with 0.3 of the keypoints"),
        ({"min_keypoints": 0.3}, {"people": 0, "keypoints": ()}, "keypoints", "less than 1"),
        ({"min_keypoints": 0.3, "min_people": 2}, {"people": 2, "keypoints": (0.9, 0.2)}, "keypoints", "1 person with"),
        ({"min_edges": 0.01}, {"edges": 0.01}, None, ""),
        ({"min_edges": 0.01}, {"edges": 0.0099}, "edges", "share of edges 0.0099, less than 0.01"),
        ({"max_edges": 0.4}, {"edges": 0.5}, "edges", "share of edges 0.5, more than 0.4"),
        ({"min_depth": 0.2}, {"depth": DepthFacts(0, 1, 0.1)}, "depth", "spread of depth 0.1, less than 0.2"),
        ({"min_depth": 0.2, "min_edges": 0.5, "min_people": 9}, {}, None, ""),
    ],
)
def test_maps_are_filtered_by_what_they_show(
    filters: dict[str, Any], facts: dict[str, Any], kind: str | None, reason: str
) -> None:
    good = MapFacts(8, 8)
    refusal = refuse_maps(FilterParams(**filters), {"one": good, "two": MapFacts(8, 8, **facts)})
    assert (refusal and refusal.kind) == kind
    if refusal:
        assert refusal.reason.startswith("two: ")
        assert reason in refusal.reason


@pytest.mark.parametrize(
    ("filters", "names", "where"),
    [
        ({"min_people": 1}, ["canny"], "--min-people"),
        ({"max_people": 1}, ["depth_dav2"], "--max-people"),
        ({"min_keypoints": 0.3}, ["hed"], "--min-keypoints"),
        ({"min_edges": 0.01}, ["pose_dwpose"], "--min-edges"),
        ({"max_edges": 0.4}, [], "--max-edges"),
        ({"min_depth": 0.4}, ["canny"], "--min-depth"),
        ({"min_people": 3, "max_people": 2}, ["pose_dwpose"], "--min-people"),
        ({"min_edges": 0.5, "max_edges": 0.2}, ["canny"], "--min-edges"),
        ({"aspect": "2..1"}, ["canny"], "aspect"),
    ],
)
def test_filters_that_nothing_can_meet_are_refused_before_the_run(
    filters: dict[str, Any], names: list[str], where: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        check_filters(FilterParams(**filters), {name: SPECS[name] for name in names})
    assert caught.value.where == where


def test_filters_that_an_annotator_of_the_run_measures_are_taken() -> None:
    filters = FilterParams(min_people=1, max_people=3, min_keypoints=0.3, min_edges=0.01, max_edges=0.5, min_depth=0.1)
    check_filters(filters, SPECS)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("3:4..4:3", (0.75, 4 / 3)),
        ("0.5..2", (0.5, 2)),
        ("1:1", (1, 1)),
        (" 1/2 .. 2 ", (0.5, 2)),
        ("16:9", (16 / 9,) * 2),
    ],
)
def test_aspects_are_read(text: str, bounds: tuple[float, float]) -> None:
    aspect = parse_aspect(text)
    assert aspect is not None
    assert tuple(map(float, aspect)) == pytest.approx(bounds)


@pytest.mark.parametrize("text", ["x", "1:0", "0", "1..", "..2", "1:2:3", "-1..2", "1..2..3", "1,5", "1e3", "nan", "٣"])
def test_what_is_no_aspect_is_named(text: str) -> None:
    with pytest.raises(BadParameter, match="aspect"):
        parse_aspect(text)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_an_aspect_written_as_the_pictures_own_size_takes_it(width: int, height: int) -> None:
    assert refuse_picture(FilterParams(aspect=f"{width}:{height}"), Size(height, width)) is None
    assert refuse_picture(FilterParams(aspect=f"{width + 1}:{height}..9999"), Size(height, width)) is not None


@given(st.text(max_size=20))
def test_any_text_is_an_aspect_or_refused_by_name(text: str) -> None:
    try:
        aspect = parse_aspect(text)
    except BadParameter:
        return
    assert aspect is None or 0 < aspect.low <= aspect.high
