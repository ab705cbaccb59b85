from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.errors import BadParameter
from underdrawing.core.params import Params, about, between, current_values, describe_fields, make_params


class Sample(Params, frozen=True):
    low: Annotated[int, between(0, 255, "Weak threshold")] = 100
    sigma: Annotated[float, between(0.01, 64, "Blur", step=0.01)] = 9.0
    safe: Annotated[bool, about("Quantise")] = False
    model: Annotated[Literal["a", "b"], about("Which")] = "a"
    text: Annotated[str, about("Words")] = ""


def test_fields_describe_the_declaration() -> None:
    described = {f.name: f for f in describe_fields(Sample)}
    assert [f.kind for f in described.values()] == ["int", "float", "bool", "choice", "text"]
    assert (described["sigma"].low, described["sigma"].high, described["sigma"].step) == (0.01, 64, 0.01)
    assert described["model"].choices == ("a", "b")
    assert described["low"].help == "Weak threshold"


@given(st.integers(-1000, 1000))
def test_bounds_hold(value: int) -> None:
    if 0 <= value <= 255:
        assert make_params(Sample, {"low": value}, where="x").low == value
    else:
        with pytest.raises(BadParameter, match="low"):
            make_params(Sample, {"low": value}, where="x")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"lo": 1}, "lo"),
        ({"low": "much"}, "low"),
        ({"model": "c"}, "model"),
        ({"safe": 3}, "safe"),
        ({"sigma": float("nan")}, "sigma"),
    ],
)
def test_bad_values_are_named(values: dict[str, object], word: str) -> None:
    with pytest.raises(BadParameter, match=word):
        make_params(Sample, values, where="sample")


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    made = make_params(Sample, {"low": np.int64(7), "sigma": np.float32(0.5), "safe": np.bool_(True)}, where="sample")
    assert (made.low, made.sigma, made.safe) == (7, 0.5, True)
    assert make_params(Sample, {"low": torch.tensor(7)}, where="sample").low == 7
    with pytest.raises(BadParameter, match="low"):
        make_params(Sample, {"low": np.zeros(3)}, where="sample")


def test_a_field_without_help_or_default_is_a_mistake_of_ours() -> None:
    class Bare(Params, frozen=True):
        size: int = 1

    class Open(Params, frozen=True):
        size: Annotated[int, between(0, 1, "x")]

    for wrong in (Bare, Open):
        with pytest.raises(TypeError, match="size"):
            describe_fields(wrong)


class Renamed(Params, frozen=True):
    old_names: ClassVar[dict[str, str]] = {"a": "strength"}
    old_choices: ClassVar[dict[str, dict[str, str]]] = {"model": {"7": "default"}}
    strength: Annotated[int, between(0, 9, "How strong")] = 3
    model: Annotated[Literal["default", "other"], about("Which")] = "default"


def test_earlier_names_and_choices_are_accepted_with_a_note() -> None:
    values, notes = current_values(Renamed, {"a": 4, "model": "7"}, where="sample")
    assert values == {"strength": 4, "model": "default"}
    assert [note.split(";")[0] for note in notes] == [
        "sample: a is now called strength",
        "sample: model 7 is now called default",
    ]
    assert make_params(Renamed, {"a": 4, "model": "7"}, where="sample") == Renamed(strength=4)
    assert current_values(Renamed, {"strength": 4}, where="sample") == ({"strength": 4}, [])


def test_both_names_of_a_parameter_are_refused() -> None:
    for values in ({"a": 4, "strength": 4}, {"strength": 4, "a": 4}):
        with pytest.raises(BadParameter, match="a and strength are the same parameter"):
            make_params(Renamed, values, where="sample")


def test_earlier_names_must_fit_the_fields() -> None:
    class Lost(Params, frozen=True):
        old_names: ClassVar[dict[str, str]] = {"a": "gone"}

    with pytest.raises(TypeError, match="gone"):
        describe_fields(Lost)
