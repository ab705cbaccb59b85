from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.errors import BadParameter, UnderdrawingError, UnknownName
from underdrawing.pipeline.request import Control
from underdrawing.pipeline.runs.spelling import parse_control


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("canny=photo.jpg", Control(annotator="canny", image=Path("photo.jpg"))),
        ("canny", Control(annotator="canny")),
        ("canny:low_threshold=50", Control(annotator="canny", params={"low_threshold": 50})),
        ("canny:weight=.5=C:\\a=b,c.png", Control(annotator="canny", weight=0.5, image=Path("C:\\a=b,c.png"))),
        (
            "map:model=lines [12ab],mode=control=e.png",
            Control(model="lines [12ab]", mode="control", image=Path("e.png")),
        ),
        (
            "hed:safe=yes,resolution=384,fit=just",
            Control(annotator="hed", params={"safe": True, "resolution": 384}, fit="just"),
        ),
    ],
)
def test_controls_are_read(text: str, expected: Control) -> None:
    assert parse_control(text) == expected


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("map:model=depth:weight=0.7=/a/depth.png", "write model=depth,weight=..."),
        ("canny:low_threshold=50:high_threshold=90=a.png", "write low_threshold=50,high_threshold=..."),
        ("depth:weight=0.7;end=0.5", "write weight=0.7,end=..."),
        ("hed:fit=just; resolution=384=a.png", "write fit=just,resolution=..."),
    ],
)
def test_options_joined_by_something_else_are_told(text: str, fix: str) -> None:
    with pytest.raises(BadParameter, match="options are joined by commas") as error:
        parse_control(text)
    assert fix in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=a.png",
        "canny:=a.png",
        "canny:weight=a lot=a.png",
        "canny:mode=both",
        "canny:nothing=1",
        "hed:safe=maybe",
        "map:safe=1",
    ],
)
def test_what_is_no_control_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_control(text)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("canny:weight=x=a.png", "no number. Next: write one such as 0.8"),
        ("canny:low_threshold=x=a.png", "no whole number|no number"),
        ("hed:safe=maybe=a.png", "neither yes nor no. Next: write yes or no"),
    ],
)
def test_values_of_another_kind_are_told_what_to_write(text: str, fix: str) -> None:
    with pytest.raises(BadParameter, match=fix):
        parse_control(text)


def test_an_unknown_annotator_is_refused() -> None:
    with pytest.raises(UnknownName, match="canny"):
        parse_control("cany=photo.jpg:weight=1")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_control(text)
    except UnderdrawingError:
        return


def test_an_option_is_given_once() -> None:
    with pytest.raises(BadParameter, match="twice"):
        parse_control("canny:weight=1,weight=0.5=photo.jpg")
