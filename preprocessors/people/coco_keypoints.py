"""From COCO's 17 and COCO-WholeBody's 133 keypoints to the slots of `core.poses.model`. Needs numpy.

COCO-WholeBody: Jin et al. 2020, arXiv:2007.11858: 17 body, 6 feet, 68 face, 21 left hand, 21 right hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.poses.model import BODY, Keypoint, Person

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ...core.poses.model import Keypoints

    Array = NDArray[np.float32]

SHOULDERS = (5, 6)
BODY_ORDER = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""COCO's number of each body slot; the neck has none."""
FACE, LEFT_HAND, RIGHT_HAND = slice(23, 91), slice(91, 112), slice(112, 133)
EYES = (14, 15)
"""Body slots that fill a face's slots 68 and 69."""


def people_from_keypoints(
    keypoints: Array, min_confidence: float, *, body: bool = True, hands: bool = True, face: bool = True
) -> tuple[Person, ...]:
    """People of [N, 17 or 133, 3], x, y, confidence.

    Keypoints below the confidence become gaps; people without any keypoint are left out.
    """
    everybody = (_person(rows.tolist(), min_confidence, body=body, hands=hands, face=face) for rows in keypoints)
    return tuple(person for person in everybody if person is not None)


def _person(rows: list[list[float]], min_confidence: float, *, body: bool, hands: bool, face: bool) -> Person | None:
    slots = body_slots(rows, min_confidence)
    left, right = (_slots(rows[part], min_confidence) if hands else None for part in (LEFT_HAND, RIGHT_HAND))
    landmarks = _slots(rows[FACE], min_confidence) if face else None
    whole_face = None if landmarks is None else (*landmarks, *(slots[eye] for eye in EYES))
    body_part = slots if body else (None,) * BODY
    return Person(body_part, whole_face, left, right) if any(body_part) or whole_face or left or right else None


def body_slots(rows: list[list[float]], min_confidence: float) -> Keypoints:
    """OpenPose's 18 keypoints; the neck is the middle of both shoulders where both are visible."""
    first, second = (_point(rows[number], min_confidence) for number in SHOULDERS)
    neck = None
    if first is not None and second is not None:
        neck = Keypoint((first.x + second.x) / 2, (first.y + second.y) / 2, min(first.confidence, second.confidence))
    return tuple(neck if number is None else _point(rows[number], min_confidence) for number in BODY_ORDER)


def _slots(rows: Iterable[list[float]], min_confidence: float) -> Keypoints | None:
    slots = tuple(_point(row, min_confidence) for row in rows)
    return slots if any(slots) else None


def _point(row: list[float], min_confidence: float) -> Keypoint | None:
    """A gap where the confidence is too low; SimCC's may exceed 1."""
    x, y, confidence = row
    return Keypoint(x, y, min(confidence, 1.0)) if confidence >= min_confidence and confidence > 0 else None
