"""Bounding boxes of body parts over the frames of a video, in the form that ComfyUI's InstanceDiffusion nodes take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import BadImage, BadParameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .model import Person, Pose

    Box = tuple[float, float, float, float, int, int]
    Tracking = dict[str, dict[int, dict[int, Box]]]

PARTS: dict[str, tuple[int, ...]] = {
    "Head": (16, 14, 0, 15, 17),
    "Neck": (0, 1),
    "Shoulder": (2, 5),
    "Torso": (2, 5, 8, 11),
    "RArm": (2, 3),
    "RForearm": (3, 4),
    "LArm": (5, 6),
    "LForearm": (6, 7),
}
"""Part → the joints of the body between which its box stands."""
SIZES = {"Head": "256, 256", "Neck": "100, 100", "Shoulder": "", "Torso": "350, 450"} | dict.fromkeys(
    ("RArm", "RForearm", "LArm", "LForearm"), "128, 256"
)
"""Part → width and height of its box in pixels; empty: it is not followed."""
AWAY = float((2**31 - 1) // 2)
"""Coordinate of the box of a part that is not in a frame."""


def track_parts(poses: Sequence[Pose], sizes: Mapping[str, str], people: str = "") -> Tracking:
    """Follow parts: part → person → frame → (left, top, right, bottom, canvas width, canvas height).

    People are counted from 0, from left to right in each frame; where all have a `person_id`, by that. sizes: part →
    "width, height" or "". people: which are followed, as in "0, 2"; empty: all. A part with a missing joint is AWAY.
    Raises BadImage, BadParameter.
    """
    if not poses:
        raise BadImage("there is no pose to follow", fix="connect poses")
    wanted = _parse_numbers("id_include", people)
    frames = _number_people(poses)
    ids = [i for i in sorted({i for frame in frames for i in frame}) if not wanted or i in wanted]
    canvas = (poses[0].width, poses[0].height)
    followed = {part: size for part in PARTS if (size := _parse_size(part, sizes.get(part, "")))}
    return {
        part: {i: {f: (*_find_box(frame.get(i), part, size), *canvas) for f, frame in enumerate(frames)} for i in ids}
        for part, size in followed.items()
    }


def draft_prompt(tracking: Tracking) -> str:
    """One line for each part of each person, to be filled in: ``"0.Head": "(head)",``."""
    return "".join(
        f'"{person}.{part}": "({re.sub("[LR]", "", part).lower()})",\n'
        for part, people in tracking.items()
        for person in people
    )


def _number_people(poses: Sequence[Pose]) -> list[dict[int, Person]]:
    """People of each frame by number."""
    if all(person.person_id is not None for pose in poses for person in pose.people):
        return [{p.person_id: p for p in pose.people if p.person_id is not None} for pose in poses]
    return [dict(enumerate(sorted(pose.people, key=_find_left))) for pose in poses]


def _find_left(person: Person) -> float:
    nose = person.body[0]
    return 0.0 if nose is None else nose.x


def _find_box(person: Person | None, part: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    points = [None if person is None else person.body[slot] for slot in PARTS[part]]
    seen = [point for point in points if point is not None]
    if len(seen) < len(points):
        return AWAY, AWAY, AWAY, AWAY
    x, y = (sum(values) / len(seen) for values in ([p.x for p in seen], [p.y for p in seen]))
    return x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2


def _parse_size(part: str, text: str) -> tuple[int, int] | None:
    numbers = _parse_numbers(part, text)
    if not numbers:
        return None
    if len(numbers) != 2 or min(numbers) < 1:
        raise BadParameter(f"{text!r} is not a size", where=part, fix="write width, height in pixels, as in 128, 256")
    return numbers[0], numbers[1]


def _parse_numbers(name: str, text: str) -> list[int]:
    if not text.strip():
        return []
    if re.fullmatch(r"\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*", text) is None:
        raise BadParameter(f"{text!r} is not a list of whole numbers", where=name, fix="write them with commas")
    return [int(number) for number in text.split(",")]
