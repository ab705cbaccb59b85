from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.checkpoints.recipe import Apply, Cast, Load
from underdrawing.checkpoints.sweeping import Point, apply_point, list_points, read_values
from underdrawing.core.errors import BadParameter, UnknownName

NODE = Apply(method="weighted_sum", inputs=(Load(path="a"), Load(path="b")), params={"alpha": 0.5})


@given(st.integers(0, 40), st.integers(1, 40))
def test_a_range_has_both_ends_without_rounding(first: int, count: int) -> None:
    found = read_values(f"{first / 10:g}:{(first + count) / 10:g}:0.1")
    assert found == tuple(number / 10 for number in range(first, first + count + 1))


@pytest.mark.parametrize(
    "text", ["", ",", "a", "0:1", "0:1:0", "0:1:x", "nan", "0:inf:1", "0:1:nan", "0:9999:1", "1e999"]
)
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="alpha"):
        read_values(text)


def test_methods_without_alpha_are_merged_once() -> None:
    points = list_points({"weighted_sum": True, "n_average": False}, (0.25, 0.5), ("", "GRAD_V"))
    assert [point.name for point in points] == [
        "weighted_sum-0.25",
        "weighted_sum-0.25-GRAD_V",
        "weighted_sum-0.5",
        "weighted_sum-0.5-GRAD_V",
        "n_average",
    ]
    with pytest.raises(BadParameter, match="1001"):
        list_points({"weighted_sum": True}, tuple(map(float, range(1001))), ("",))


def test_block_weights_of_a_preset_are_times_alpha() -> None:
    node = apply_point(Cast(input=NODE, dtype="fp16"), Point("x", "weighted_sum", 0.5, "own"), {"own": "1,0.5,0"})
    assert isinstance(node, Cast)
    assert isinstance(node.input, Apply)
    assert node.input.blocks == "0.5,0.25,0"
    ranged = apply_point(NODE, Point("x", "weighted_sum", 0.3, "IN04-OUT05"), {})
    assert isinstance(ranged, Apply)
    assert (ranged.blocks, ranged.params["alpha"]) == ("IN04-OUT05", 0.3)
    with pytest.raises(UnknownName, match="no preset is called 'GRAD_W'"):
        apply_point(NODE, Point("x", "weighted_sum", 0.3, "GRAD_W"), {})


def test_random_presets_are_drawn_by_the_seed() -> None:
    node = Apply(method="weighted_sum", inputs=(Load(path="a"), Load(path="b")), elements="BASE::0.5")
    presets = {"MINE": "ER," + ",".join(["0.5"] * 25)}
    drawn = [apply_point(node, Point("", "weighted_sum", 0.5, name), presets, seed) for name, seed in
             (("ALL_R", 1), ("ALL_R", 1), ("ALL_R", 2), ("MINE", 3))]  # fmt: skip
    first, again, other, own = drawn
    assert isinstance(first, Apply)
    assert first == again != other
    assert all(0 <= float(value) <= 0.5 for value in first.blocks.split(","))
    assert isinstance(own, Apply)
    assert own.blocks.startswith("0,0.25,")
    assert own.elements == "BASE::0.5,BASE::0~1@3"
