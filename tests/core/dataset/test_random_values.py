"""Parameters drawn per picture."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.dataset.random_values import RandomValue, draw_values, iter_choices, parse_random
from underdrawing.core.errors import BadParameter
from underdrawing.core.params import Field

WHOLE = Field(name="low", kind="int", default=100, help="", low=0, high=255)
SHARE = Field(name="gain", kind="float", default=1.0, help="", low=0.1, high=8)
SWITCH = Field(name="safe", kind="bool", default=False, help="")
MODEL = Field(name="model", kind="choice", default="small", help="", choices=("small", "large"))
TEXT = Field(name="text", kind="text", default="", help="")


def read(text: str, field: Field) -> RandomValue:
    value = parse_random(text, field, where="canny")
    assert value is not None
    return value


@pytest.mark.parametrize("text", ["50", "uniform", "uniform(1,2", "1e3", "", "-3", "small"])
def test_plain_values_are_no_distributions(text: str) -> None:
    assert parse_random(text, WHOLE, where="canny") is None


@pytest.mark.parametrize(
    ("text", "field", "what"),
    [
        ("uniform(30,300)", WHOLE, "300 is out of bounds"),
        ("uniform(-1,30)", WHOLE, "-1 is out of bounds"),
        ("randint(1,9)", SHARE, "9 is out of bounds"),
        ("uniform(5,1)", WHOLE, "wrong order"),
        ("uniform(5)", WHOLE, "1 values in place of two"),
        ("uniform(1,2,3)", WHOLE, "3 values in place of two"),
        ("uniform()", WHOLE, "0 values in place of two"),
        ("uniform(a,b)", WHOLE, "'a' is not a whole number"),
        ("uniform(0.5,3)", WHOLE, "'0.5' is not a whole number"),
        ("uniform(nan,3)", SHARE, "'nan' is not a number"),
        ("uniform(1,inf)", SHARE, "'inf' is not a number"),
        (f"choice({'9' * 400})", WHOLE, "is not a whole number"),
        ("gauss(1,2)", WHOLE, "gauss is no distribution"),
        ("choice()", WHOLE, "nothing to choose among"),
        ("choice(1,999)", WHOLE, "999 is out of bounds"),
        ("choice(small,huge)", MODEL, "'huge' is not a choice"),
        ("choice(yes,perhaps)", SWITCH, "'perhaps' is neither on nor off"),
        ("uniform(0,1)", SWITCH, "this parameter is no number"),
        ("randint(0,1)", MODEL, "this parameter is no number"),
    ],
)
def test_what_cannot_be_drawn_is_named_with_annotator_and_parameter(text: str, field: Field, what: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parse_random(text, field, where="canny")
    assert what in caught.value.what
    assert caught.value.where == f"canny.{field.name}"
    assert caught.value.fix


def test_values_have_the_types_of_their_parameters() -> None:
    assert {type(read("uniform(1,9)", WHOLE).draw(0, str(n), "a", "p")) for n in range(9)} == {int}
    assert {type(read("uniform(1,3)", SHARE).draw(0, str(n), "a", "p")) for n in range(9)} == {float}
    assert read("choice(on, OFF)", SWITCH).choices == (True, False)
    assert read("choice(small , large)", MODEL).choices == ("small", "large")
    assert read('choice("a,b", c)', TEXT).choices == ("a,b", "c")
    assert parse_random("lerp(a)", TEXT, where="x") is None


def test_all_values_of_a_range_are_equally_likely_both_ends_too() -> None:
    value = read("uniform(3,6)", WHOLE)
    found = Counter(value.draw(5, f"photo {n}", "canny", "low") for n in range(4000))
    assert sorted(found) == [3, 4, 5, 6]
    assert min(found.values()) > 900


def test_the_draw_depends_on_seed_key_annotator_and_parameter_and_on_nothing_else() -> None:
    value = read("uniform(0.1,8)", SHARE)
    cases = [(1, "a", "b", "c"), (2, "a", "b", "c"), (1, "x", "b", "c"), (1, "a", "x", "c"), (1, "a", "b", "x")]
    cases += [(1, "ab", "", "c"), (11, "", "ab", "c")]
    drawn = {case: value.draw(*case) for case in cases}
    assert len(set(drawn.values())) == len(cases)
    random.shuffle(cases)
    assert {case: value.draw(*case) for case in cases} == drawn
    assert draw_values({"c": value}, 1, "a", "b") == {"c": drawn[1, "a", "b", "c"]}


def test_draws_never_change_between_versions() -> None:
    assert read("uniform(30,120)", WHOLE).draw(7, "photo", "canny", "low") == 111
    assert read("uniform(0.1,8)", SHARE).draw(7, "photo", "canny", "low") == 7.15459
    assert read("choice(small,large)", MODEL).draw(7, "\udcff", "canny", "low") == "small"


@given(st.sampled_from([WHOLE, SHARE]), st.data(), st.integers(), st.text())
def test_every_draw_lies_within_its_range_and_ranges_are_read_as_they_are_written(
    field: Field, data: st.DataObject, seed: int, key: str
) -> None:
    number = st.integers(0, 255) if field.kind == "int" else st.floats(0.1, 8)
    low, high = sorted((data.draw(number), data.draw(number)))
    value = read(f"uniform({low!r}, {high!r})", field)
    assert low <= float(value.draw(seed, key, "a", "p")) <= high
    assert read(str(value), field) == value
    assert msgspec.json.decode(msgspec.json.encode(value), type=RandomValue) == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    for field in (WHOLE, SHARE, SWITCH, MODEL, TEXT):
        for form in (text, f"uniform({text})", f"choice({text})"):
            try:
                value = parse_random(form, field, where="canny")
            except BadParameter:
                continue
            if value is not None:
                assert read(str(value), field) == value


def test_choices_are_combined_for_weights_that_depend_on_them() -> None:
    values = {"model": read("choice(small,large)", MODEL), "safe": read("choice(on,off)", SWITCH)}
    every = list(iter_choices({**values, "low": read("uniform(1,2)", WHOLE)}))
    assert len(every) == 4
    assert {"model": "large", "safe": False} in every
    assert list(iter_choices({})) == [{}]
