"""Names of keypoints, parts and limbs, as users write them to edit a pose, and of limb width scalings."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..errors import BadParameter
from .model import ANIMAL, BODY, FACE, HAND

if TYPE_CHECKING:
    from collections.abc import Iterable

LimbScaling = Literal["plain", "xinsir", "comfyui"]
LIMB_SCALING_HELP = "xinsir: limbs and joints grow with the map; comfyui: limbs only"
Part = Literal["body", "face", "left_hand", "right_hand", "animal"]
SLOTS: dict[Part, int] = {"body": BODY, "face": FACE, "left_hand": HAND, "right_hand": HAND, "animal": ANIMAL}
"""Number of keypoints of each part."""

_ORDER = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
JOINTS = {name: slot for slot, name in enumerate(_ORDER)}
"""Name of a joint of the body → its index; right and left are the person's own."""

PARENTS = {0: 1, 2: 1, 3: 2, 4: 3, 5: 1, 6: 5, 7: 6, 8: 1, 9: 8, 10: 9, 11: 1, 12: 11, 13: 12} | {
    **{14: 0, 15: 0, 16: 14, 17: 15}
}
"""Joint of the body → its parent; the root is the neck."""

_PAIRS = {"shoulder": (2, 5), "upper_arm": (3, 6), "forearm": (4, 7), "thigh": (9, 12), "shin": (10, 13)}
_SINGLE = {f"{side}_{name}": (slots[i],) for name, slots in _PAIRS.items() for i, side in enumerate(("right", "left"))}
LIMBS: dict[str, tuple[int, ...]] = {
    **_SINGLE,
    **{f"{name}s": slots for name, slots in _PAIRS.items()},
    "arms": (3, 6, 4, 7),
    "legs": (9, 12, 10, 13),
    "torso": (8, 11),
    "head": (0, 14, 15, 16, 17),
    "face": (),
    "hands": (),
    "right_hand": (),
    "left_hand": (),
}
"""Limb → the joints at the far ends of its bones. Hands and the face have a size and no bone."""


class KeypointSelector(NamedTuple):
    """Keypoints of a pose. person: from 0, None for all (an animal where the part is one). slot: None for all."""

    person: int | None
    part: Part
    slot: int | None


class Move(NamedTuple):
    """A move of keypoints, in pixels."""

    selector: KeypointSelector
    x: float
    y: float
    is_relative: bool


def parse_selector(text: str) -> KeypointSelector:
    """Read ``right_wrist``, ``face``, ``left_hand.4`` or, of the second person, ``2:nose``. Raises BadParameter."""
    match = re.fullmatch(r"(?:([1-9]\d{0,4}):)?([a-z_]+)(?:\.(\d{1,3}))?", text.strip())
    if match is None:
        raise BadParameter(
            f"{text.strip()!r} names no keypoint", fix="write right_wrist, face.36, 2:left_hand or the like"
        )
    number, name, slot = match.groups()
    person = None if number is None else int(number) - 1
    if name in JOINTS and slot is None:
        return KeypointSelector(person, "body", JOINTS[name])
    for part, count in SLOTS.items():
        if part == name:
            return KeypointSelector(person, part, _parse_slot(text, slot, count))
    raise BadParameter(f"no keypoint or part is called {name!r}", fix=_suggest(name, [*JOINTS, *SLOTS]))


def parse_selectors(text: str) -> list[KeypointSelector]:
    """Read a list with commas. Raises BadParameter."""
    return [parse_selector(one) for one in text.split(",")] if text.strip() else []


def parse_move(text: str) -> Move:
    """Read ``right_wrist=120,80`` (go there) or ``right_wrist=+10,-5`` (go by so much). Raises BadParameter."""
    name, _, target = text.partition("=")
    match = re.fullmatch(r"\s*([+-]?)(\d+(?:\.\d*)?)\s*,\s*([+-]?)(\d+(?:\.\d*)?)\s*", target)
    if match is None or bool(match[1]) != bool(match[3]):
        raise BadParameter(
            f"{text!r} is not a move", fix="write NAME=X,Y for a position or NAME=+X,-Y for a shift, in pixels"
        )
    where = parse_selector(name)
    if where.slot is None and not match[1]:
        raise BadParameter(f"{text!r} would move a whole part to one position", fix=f"write {name}=+X,-Y to shift it")
    return Move(where, float(match[1] + match[2]), float(match[3] + match[4]), bool(match[1]))


def parse_limb(text: str) -> tuple[str, float]:
    """Read ``legs=1.2``. Raises BadParameter."""
    name, _, factor = text.partition("=")
    if name.strip() not in LIMBS:
        raise BadParameter(f"no limb is called {name.strip()!r}", fix=_suggest(name.strip(), LIMBS))
    if re.fullmatch(r"\s*\d*\.?\d+\s*", factor) is None or not 0 < float(factor) <= MOST:
        raise BadParameter(f"{text!r} has no factor above 0 up to {MOST}", fix="write LIMB=FACTOR, as in legs=1.2")
    return name.strip(), float(factor)


MOST = 20
"""Largest factor of a limb."""


def _parse_slot(text: str, number: str | None, count: int) -> int | None:
    if number is None:
        return None
    if int(number) >= count:
        raise BadParameter(f"{text.strip()!r} has no such keypoint", fix=f"its keypoints are 0 to {count - 1}")
    return int(number)


def _suggest(name: str, known: Iterable[str]) -> str:
    every = list(known)
    near = difflib.get_close_matches(name, every, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(every)}"
