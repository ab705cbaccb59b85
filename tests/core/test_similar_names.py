from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.checkpoints.method_registry import methods
from underdrawing.core.errors import UnknownName
from underdrawing.core.similar_names import LONGEST, MOST, find_similar, suggest_names
from underdrawing.pipeline.sampling.names import find_sampler

NAMES = ["Euler", "Euler a", "DPM++ 2M", "DPM++ SDE", "add_difference", "weighted_sum"]


def test_the_nearest_names_come_first_whatever_their_case() -> None:
    assert find_similar("EULER A", NAMES)[0] == "Euler a"
    assert find_similar("Weighted Sum", NAMES) == ["weighted_sum"]
    assert find_similar("a sum of everything", NAMES) == ["weighted_sum"]
    assert find_similar("a or of", NAMES) == [], "short words say nothing"
    assert find_similar("the difference of two others", NAMES) == ["add_difference"]
    assert suggest_names("zzz", NAMES, "`help`") == "`help` lists them all"


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
