"""Parameters that the operations on poses share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from ..images.geometry import FitMode, Size, parse_size
from ..poses.reading import NO_CANVAS

if TYPE_CHECKING:
    from ..poses.model import Pose
    from ..poses.reading import PoseFile

POSES = "OpenPose JSON of any origin, or a map that holds its poses"
PEOPLE = "Who stays, counted from 1, as in 1,3; in this order. Empty: everybody"
ANIMALS = "Keep animals"
SIZE = "Canvas as WIDTHxHEIGHT, onto which everybody is brought; of poses that state none it is theirs. Empty: as it is"
MODE = "How the size is met: stretch (just), fill and crop, or fit and pad (fill)"

__all__ = ["ANIMALS", "MODE", "PEOPLE", "POSES", "SIZE", "FitMode", "Selection"]


class _Params(Protocol):
    @property
    def people(self) -> str: ...
    @property
    def body(self) -> bool: ...
    @property
    def hands(self) -> bool: ...
    @property
    def face(self) -> bool: ...
    @property
    def animals(self) -> bool: ...
    @property
    def size(self) -> str: ...
    @property
    def mode(self) -> FitMode: ...


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Who and what stays, and on which canvas."""

    people: str
    body: bool
    hands: bool
    face: bool
    animals: bool
    size: Size | None
    mode: FitMode

    @classmethod
    def of(cls, params: _Params) -> Selection:
        """The parameters' selection. Raises BadParameter for a size that is none."""
        return cls(
            people=params.people,
            body=params.body,
            hands=params.hands,
            face=params.face,
            animals=params.animals,
            size=parse_size(params.size),
            mode=params.mode,
        )

    def choose(self, pose: Pose) -> Pose:
        """Who and what stays. Raises BadParameter for a list of people that is none."""
        from ..poses.edit import select_parts, select_people

        return select_parts(
            select_people(pose, self.people), body=self.body, hands=self.hands, face=self.face, animals=self.animals
        )

    def fit(self, pose: Pose, *, free: bool = False) -> Pose:
        """On the canvas. free: the pose states none, so that no keypoint moves."""
        from ..poses.edit import retarget
        from ..poses.model import Pose

        if self.size is None:
            return pose
        if free:
            return Pose(pose.people, self.size.width, self.size.height, pose.animals)
        return retarget(pose, self.size, self.mode)

    def list_notes(self, file: PoseFile) -> tuple[str, ...]:
        """The file's notes, without those that a size answers, and numbers of people that no pose has."""
        most = max((len(pose.people) for pose in file.poses), default=0)
        absent = [number for number in self.people.split(",") if number.strip().isdecimal() and int(number) > most]
        few = f"there is nobody with the number {', '.join(absent)}: people here are {most}" if absent else ""
        notes = (note for note in file.notes if self.size is None or not note.startswith(NO_CANVAS))
        return (*notes, few) if few else tuple(notes)
