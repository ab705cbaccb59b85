"""Inputs of another pack's nodes."""

from __future__ import annotations

from underdrawing.core.aux_inputs import RESOLUTION, Widget, number, switch


def test_kinds_come_from_the_default() -> None:
    assert [number("a", 1, 0, 2).kind, number("a", 1.0, 0, 2).kind] == ["int", "float"]
    assert [Widget(name="a", default=True).kind, Widget(name="a", default="").kind] == ["bool", "text"]
    assert RESOLUTION.values(640) == {}


def test_switches_begin_with_their_default() -> None:
    assert switch("a", "disable").choices == ("disable", "enable")
    assert switch("a", "enable").values("disable") == {}
    assert switch("a", "disable", "field").values("enable") == {"field": True}


def test_a_value_may_mean_several_parameters() -> None:
    widget = Widget(name="a", default=100, field="level", means={0: {"how": "otsu"}}, modulo=256)
    assert widget.values(0) == {"how": "otsu"}
    assert widget.values(300) == {"level": 44}
    assert widget.fields == {"how", "level"}
