from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.checkpoints.method_registry import methods
from underdrawing.checkpoints.recipe import Apply
from underdrawing.checkpoints.sweeping import Point, apply_point
from underdrawing.core.errors import UnknownName
from underdrawing.core.operation_registry import operations
from underdrawing.core.similar_names import LONGEST, MOST, find_similar, suggest_names
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.weights.catalogue import find_needed, find_records

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ["Euler", "Euler a", "DPM++ 2M", "DPM++ SDE", "add_difference", "weighted_sum"]


def test_the_nearest_names_come_first_whatever_their_case() -> None:
    assert find_similar("EULER A", NAMES)[0] == "Euler a"
    assert find_similar("Weighted Sum", NAMES) == ["weighted_sum"]
    assert find_similar("a sum of everything", NAMES) == ["weighted_sum"]
    assert find_similar("a or of", NAMES) == [], "short words say nothing"
    assert find_similar("the difference of two others", NAMES) == ["add_difference"]
    assert suggest_names("zzz", NAMES, "`help`") == "`help` lists them all"


NONSENSE = [
    "nonsense",
    "nothing",
    "non",
    "Nones",
    "noone",
    "no such thing",
    "NONE!",
    "one",
    "xyzzy",
    "",
    " ",
    "\0",
    "~",
]


@pytest.mark.parametrize("name", NONSENSE)
def test_nobody_means_none(name: str) -> None:
    assert not set(find_similar(name, [*NAMES, "None", "none", "NONE"])) & {"None", "none", "NONE"}


def _unknown(name: str) -> dict[str, Callable[[], object]]:
    """Every kind of thing that is looked up by a name."""
    node = Apply(method="weighted_sum", inputs=())
    return {
        "annotator": lambda: registry.resolve(name),
        "operation": lambda: operations()[name],
        "merge method": lambda: methods()[name],
        "sampler": lambda: find_sampler(name or "x"),
        "schedule": lambda: find_sampler("Euler", name.strip() or "x"),
        "weights": lambda: find_records([name]),
        "annotator of weights": lambda: find_needed([name]),
        "preset": lambda: apply_point(node, Point("a", "weighted_sum", 0.5, name or "x"), {}),
    }


@pytest.mark.parametrize("name", [*NONSENSE, "x" * 10_000])
@pytest.mark.parametrize("kind", _unknown(""))
def test_unknown_names_of_every_kind_have_a_next_step(kind: str, name: str) -> None:
    with pytest.raises(UnknownName) as raised:
        _unknown(name)[kind]()
    assert raised.value.fix
    assert re.search(r"mean none\b", raised.value.fix, re.I) is None
    assert len(raised.value.fix) < 3000


def test_what_is_not_a_text_is_no_annotator() -> None:
    for name in (None, 3, ["canny"]):
        with pytest.raises(UnknownName, match="is no name of an annotator"):
            registry.resolve(name)  # type: ignore[arg-type]


def test_a_misspelt_name_that_is_not_offered_says_what_to_use() -> None:
    with pytest.raises(UnknownName, match=r"if you mean densepose_parula: it is not offered .*; use openpose_full"):
        registry.resolve("densepose_parulla")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gets_few_names(text: str) -> None:
    found = find_similar(text, NAMES)
    assert len(found) <= MOST
    assert set(found) <= set(NAMES)


def test_long_texts_take_no_time() -> None:
    assert find_similar("x" * 10_000_000, NAMES) == []
    assert find_similar("weighted_sum" + " " * LONGEST * 2, NAMES) == ["weighted_sum"]


@pytest.mark.parametrize("name", ["weigthed_sum", "nothing like it", "sum"])
def test_unknown_methods_samplers_and_schedules_name_a_few(name: str) -> None:
    for find in (lambda: methods()[name], lambda: find_sampler(name), lambda: find_sampler("Euler", name)):
        with pytest.raises(UnknownName) as raised:
            find()
        assert raised.value.fix.count(",") + raised.value.fix.count(" or ") <= MOST
        assert "lists them all" in raised.value.fix or raised.value.fix.startswith("write ")
