"""Names of points and limbs as users write them."""

from __future__ import annotations

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.poses.names import (
    KeypointSelector,
    Move,
    parse_limb,
    parse_move,
    parse_selector,
    parse_selectors,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nose", KeypointSelector(None, "body", 0)),
        (" left_ear ", KeypointSelector(None, "body", 17)),
        ("2:right_wrist", KeypointSelector(1, "body", 4)),
        ("face", KeypointSelector(None, "face", None)),
        ("face.69", KeypointSelector(None, "face", 69)),
        ("3:left_hand.20", KeypointSelector(2, "left_hand", 20)),
        ("animal.0", KeypointSelector(None, "animal", 0)),
        ("body", KeypointSelector(None, "body", None)),
        ("body.17", KeypointSelector(None, "body", 17)),
    ],
)
def test_places(text: str, wanted: KeypointSelector) -> None:
    assert parse_selector(text) == wanted


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("rigth_wrist", "right_wrist"),
        ("face.70", "0 to 69"),
        ("left_hand.21", "0 to 20"),
        ("animal.17", "0 to 16"),
        ("nose.1", "did you mean nose"),
        ("0:nose", "names no keypoint"),
        ("", "names no keypoint"),
        ("nose;rm", "names no keypoint"),
        ("face.", "names no keypoint"),
    ],
)
def test_other_places_are_refused_with_what_there_is(text: str, hint: str) -> None:
    with pytest.raises(BadParameter, match=hint):
        parse_selector(text)


def test_lists_of_places() -> None:
    assert parse_selectors("") == parse_selectors("  ") == []
    assert parse_selectors("nose, 2:face") == [KeypointSelector(None, "body", 0), KeypointSelector(1, "face", None)]
    with pytest.raises(BadParameter):
        parse_selectors("nose,")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nose=120,80", Move(KeypointSelector(None, "body", 0), 120, 80, is_relative=False)),
        ("2:nose = 1.5 , 0", Move(KeypointSelector(1, "body", 0), 1.5, 0, is_relative=False)),
        ("face=+10,-5.25", Move(KeypointSelector(None, "face", None), 10, -5.25, is_relative=True)),
    ],
)
def test_moves(text: str, wanted: Move) -> None:
    assert parse_move(text) == wanted


@pytest.mark.parametrize(
    "text", ["nose", "nose=", "nose=1", "nose=+1,2", "nose=1,-2", "nose=a,b", "nose=1e3,2", "face=1,2"]
)
def test_other_moves_are_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="Next: write"):
        parse_move(text)


@pytest.mark.parametrize(("text", "wanted"), [("legs=1.2", ("legs", 1.2)), ("left_forearm=.5", ("left_forearm", 0.5))])
def test_limbs(text: str, wanted: tuple[str, float]) -> None:
    assert parse_limb(text) == wanted


@pytest.mark.parametrize(
    "text", ["leg=2", "legs", "legs=0", "legs=-1", "legs=21", "legs=nan", "legs=1e2", "legs=" + "9" * 400]
)
def test_other_limbs_are_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="Next: "):
        parse_limb(text)
