"""From COCO's 17 and COCO-WholeBody's 133 points to the slots of `core.poses.model`. Imported lazily (needs numpy).

COCO-WholeBody: Jin et al. 2020, arXiv:2007.11858: 17 body, 6 feet, 68 face, 21 left hand, 21 right hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.poses.model import BODY, Person, Point

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ...core.poses.model import Slots

    Array = NDArray[np.float32]

SHOULDERS = (5, 6)
ORDER = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""COCO's number of each body slot; the neck has none."""
FACE, LEFT_HAND, RIGHT_HAND = slice(23, 91), slice(91, 112), slice(112, 133)
EYES = (14, 15)
"""Body slots that fill a face's slots 68 and 69."""


def people(
    found: Array, sure: float, *, body: bool = True, hands: bool = True, face: bool = True
) -> tuple[Person, ...]:
    """People of [N, 17 or 133, 3], x, y, confidence; points below sure are gaps, and who has none left is left out."""
    everybody = (_person(one.tolist(), sure, body=body, hands=hands, face=face) for one in found)
    return tuple(person for person in everybody if person is not None)


def _person(rows: list[list[float]], sure: float, *, body: bool, hands: bool, face: bool) -> Person | None:
    slots = body_slots(rows, sure)
    left, right = (_part(rows[part], sure) if hands else None for part in (LEFT_HAND, RIGHT_HAND))
    seen = _part(rows[FACE], sure) if face else None
    whole = None if seen is None else (*seen, *(slots[eye] for eye in EYES))
    drawn = slots if body else (None,) * BODY
    return Person(drawn, whole, left, right) if any(drawn) or whole or left or right else None


def body_slots(rows: list[list[float]], sure: float) -> Slots:
    """OpenPose's 18 points; the neck is the middle of both shoulders where both are seen."""
    first, second = (_point(rows[number], sure) for number in SHOULDERS)
    neck = None
    if first is not None and second is not None:
        neck = Point((first.x + second.x) / 2, (first.y + second.y) / 2, min(first.confidence, second.confidence))
    return tuple(neck if number is None else _point(rows[number], sure) for number in ORDER)


def _part(rows: Iterable[list[float]], sure: float) -> Slots | None:
    slots = tuple(_point(row, sure) for row in rows)
    return slots if any(slots) else None


def _point(row: list[float], sure: float) -> Point | None:
    """A gap where it is not sure enough; SimCC's confidences may exceed 1."""
    x, y, confidence = row
    return Point(x, y, min(confidence, 1.0)) if confidence >= sure and confidence > 0 else None
