"""Orders of keypoints that other programs write, and how each becomes OpenPose's 18 of the body, face and hands.

Source of the orders: CMU OpenPose's output format (BODY_25, BODY_25B, BODY_19, MPI); COCO and COCO-WholeBody (Jin et
al. 2020, arXiv:2007.11858); Halpe (AlphaPose, Li et al. 2020); BlazePose's 33 landmarks (MediaPipe).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from .model import BODY, HAND, Keypoint, Keypoints
from .names import JOINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

NECK = JOINTS["neck"]
SHOULDERS = (JOINTS["right_shoulder"], JOINTS["left_shoulder"])


class Layout(NamedTuple):
    """title: what the order is called. body: place of each of the 18 in the list; None where it has none.

    A neck without a place is the middle of the shoulders. face, left_hand, right_hand: their parts of the list.
    left_out: what of the list OpenPose's 18 have no place for.
    """

    title: str
    body: tuple[int | None, ...]
    left_out: str = ""
    face: slice | None = None
    left_hand: slice | None = None
    right_hand: slice | None = None


_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_OPENPOSE = tuple(range(BODY))
_WITH_HIP = (*range(8), *range(9, 19))

BODY_25 = Layout("OpenPose's BODY_25", _WITH_HIP, "feet and the middle of the hips")
BODY_25B = Layout("OpenPose's BODY_25B", _COCO, "neck, top of the head and feet")
LAYOUTS: dict[int, Layout] = {
    15: Layout("OpenPose's MPI", (None, *range(1, 14), None, None, None, None), "top of the head and chest"),
    17: Layout("COCO", _COCO),
    18: Layout("OpenPose", _OPENPOSE),
    19: Layout("OpenPose's BODY_19", _WITH_HIP, "the middle of the hips"),
    20: Layout("OpenPose with toes", _OPENPOSE, "toes"),
    23: Layout("COCO with feet", _COCO, "feet"),
    24: Layout("OpenPose with feet", _OPENPOSE, "feet"),
    25: BODY_25,
    26: Layout("Halpe", (0, 18, *_COCO[2:]), "top of the head, middle of the hips and feet"),
    33: Layout(
        "BlazePose", (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7), "face, hands and feet"
    ),
    133: Layout("COCO-WholeBody", _COCO, "feet", slice(23, 91), slice(91, 112), slice(112, 133)),
    134: Layout("OpenPose with whole body", _OPENPOSE, "feet", slice(24, 92), slice(92, 113), slice(113, 134)),
    136: Layout(
        "Halpe with whole body",
        (0, 18, *_COCO[2:]),
        "top of the head, middle of the hips and feet",
        slice(26, 94),
        slice(94, 115),
        slice(115, 136),
    ),
}
"""Number of keypoints → their order."""

UNREADABLE = {
    14: "CrowdPose or LSP, whose head is not the nose",
    16: "MPII, which has no nose, eyes or ears",
    21: f"a hand ({HAND} keypoints); write it as hand_left_keypoints_2d or hand_right_keypoints_2d",
    65: "OpenPose's BODY_65",
    98: "a face of WFLW",
    106: "a face of LaPa or JD-landmark",
    127: "OpenPose's BODY_127",
    135: "OpenPose's BODY_135",
    468: "MediaPipe's face mesh",
    478: "MediaPipe's face mesh",
}
"""Number of keypoints → what such a list looks like, where it cannot be read as a body."""

_BETWEEN_25 = ((1, 2, 5), (8, 9, 12))
_BETWEEN_25B = ((17, 5, 6),)
"""Neck (and middle of the hips) and the two keypoints between which each lies, in both orders of 25."""
_STRAY = 0.08
"""Distance of such a keypoint from the middle, in sizes of the person, beyond which an order is doubtful."""


def choose_layout(points: Keypoints) -> Layout:
    """Order of keypoints, by their number; of the two orders of 25 the one whose neck is between the shoulders."""
    layout = LAYOUTS[len(points)]
    if layout is BODY_25:
        usual, other = (_measure_stray(points, one) for one in (_BETWEEN_25, _BETWEEN_25B))
        return BODY_25B if usual > _STRAY and other < usual / 2 else BODY_25
    return layout


def to_body(points: Keypoints, layout: Layout) -> Keypoints:
    """OpenPose's 18 of a list in another order."""
    body = [None if place is None else points[place] for place in layout.body]
    if layout.body[NECK] is None:
        body[NECK] = find_middle(*(body[slot] for slot in SHOULDERS))
    return tuple(body)


def find_middle(first: Keypoint | None, second: Keypoint | None) -> Keypoint | None:
    """Middle of two keypoints, as sure as the less sure one; None without both."""
    if first is None or second is None:
        return None
    return Keypoint((first.x + second.x) / 2, (first.y + second.y) / 2, min(first.confidence, second.confidence))


def _measure_stray(points: Keypoints, triples: Sequence[tuple[int, int, int]]) -> float:
    """How far keypoints are from where they belong, in sizes of the person; 0 where none can be judged."""
    found = [point for point in points if point is not None]
    size = max((math.dist(a[:2], b[:2]) for a in found for b in found), default=0) or 1
    judged = [(points[place], find_middle(points[a], points[b])) for place, a, b in triples]
    strays = [math.dist(point[:2], middle[:2]) / size for point, middle in judged if point and middle]
    return max(strays, default=0.0)


_SHORT = {"sho": "shoulder", "elb": "elbow", "wri": "wrist", "kne": "knee", "ank": "ankle", "head": "nose"}


def find_slot(name: str) -> int | None:
    """Index of a joint by its name in any spelling: ``left_wrist``, ``leftWrist``, ``LWrist``, ``Left Wrist``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=^[LR])(?=[A-Z])|[\s.-]+", "_", name.strip()).lower()
    side, _, joint = words.partition("_")
    side = {"l": "left", "r": "right"}.get(side, side)
    if side in ("left", "right"):
        return JOINTS.get(f"{side}_{_SHORT.get(joint, joint)}")
    return JOINTS.get(words)


def from_names(named: Sequence[tuple[str, Keypoint | None]]) -> Keypoints | None:
    """OpenPose's 18 of keypoints that bear names; None when fewer than three are known."""
    body: list[Any] = [None] * BODY
    known = 0
    for name, point in named:
        slot = find_slot(name)
        if slot is not None:
            known += 1
            body[slot] = point
    if known < 3:
        return None
    if not any(find_slot(name) == NECK for name, _ in named):
        body[NECK] = find_middle(*(body[slot] for slot in SHOULDERS))
    return tuple(body)
