"""People put together from limbs: the greedy rules of OpenPose's Python port. Pure Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .limbs import FOUNDING, LIMBS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .limbs import Limb
    from .peaks import Peaks

JOINTS = 18
MIN_PARTS, MIN_SCORE = 4, 0.4
"""People with fewer parts, or with less per part, are dropped."""


@dataclass(eq=False)
class PersonDraft:
    """A person in the making. joints: number of the peak of each joint, -1 for none."""

    joints: list[int] = field(default_factory=lambda: [-1] * JOINTS)
    score: float = 0.0
    parts: int = 0

    def take(self, joint: int, peak: int, gain: float) -> None:
        """Add the far end of a limb."""
        self.joints[joint] = peak
        self.parts += 1
        self.score += gain

    def overlaps(self, other: PersonDraft) -> bool:
        """Whether both have some joint."""
        return any(a >= 0 and b >= 0 for a, b in zip(self.joints, other.joints, strict=True))

    def swallow(self, other: PersonDraft, gain: float) -> None:
        """Become one person with another draft that has none of this one's joints."""
        self.joints = [max(a, b) for a, b in zip(self.joints, other.joints, strict=True)]
        self.parts += other.parts
        self.score += other.score + gain


def assemble(limbs: Sequence[Sequence[Limb]], peaks: Sequence[Peaks]) -> list[list[int]]:
    """Peaks of each person by joint, -1 where there is none."""
    drafts: list[PersonDraft] = []
    for kind, (start, end, _) in enumerate(LIMBS):
        for limb in limbs[kind]:
            _join(drafts, limb, start, end, peaks, founding=kind < FOUNDING)
    whole = (one for one in drafts if one.parts >= MIN_PARTS and one.score / one.parts >= MIN_SCORE)
    return [draft.joints for draft in whole]


def _join(
    drafts: list[PersonDraft], limb: Limb, start: int, end: int, peaks: Sequence[Peaks], *, founding: bool
) -> None:
    found = [draft for draft in drafts if draft.joints[start] == limb.start or draft.joints[end] == limb.end]
    gain = float(peaks[end].score[limb.end]) + limb.score
    if not found:
        if founding:
            draft = PersonDraft(score=float(peaks[start].score[limb.start]), parts=1)
            draft.joints[start] = limb.start
            draft.take(end, limb.end, gain)
            drafts.append(draft)
    elif len(found) == 1:
        if found[0].joints[end] != limb.end:
            found[0].take(end, limb.end, gain)
    elif found[0].overlaps(found[1]):
        found[0].take(end, limb.end, gain)
    else:
        found[0].swallow(found[1], limb.score)
        drafts.remove(found[1])
