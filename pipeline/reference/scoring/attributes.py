"""What a prompt says, as numbers that a judge can answer: for each place a thing or none, and for the whole scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..world.spec import COLOURS, GROUNDS, KINDS, POSES, TIMES, TREE_COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..world.spec import SceneSpec

ALL_COLOURS = tuple(dict.fromkeys((*COLOURS, *TREE_COLOURS)))
PLACED = {"kind": len(KINDS) + 1, "colour": len(ALL_COLOURS), "shiny": 2, "pose": len(POSES)}
"""Attributes of each of the three places, and how many answers there are; kind 0 is nothing."""
WHOLE = {"ground": len(GROUNDS), "time": len(TIMES), "hills": 2}
"""Attributes of the scene."""
UNASKED = -1


def encode_specs(specs: Sequence[SceneSpec]) -> dict[str, NDArray[np.int64]]:
    """Answers that are right: [N, 3] for things by place, [N] for the scene, -1 where nothing is asked."""
    answers = {name: np.full((len(specs), 3), UNASKED) for name in PLACED}
    answers["kind"][:] = 0
    for row, spec in enumerate(specs):
        for thing in spec.things:
            at = (row, thing.place)
            answers["kind"][at] = 1 + KINDS.index(thing.kind)
            answers["colour"][at] = ALL_COLOURS.index(thing.colour)
            if thing.kind in ("ball", "box"):
                answers["shiny"][at] = int(thing.shiny)
            if thing.kind == "person":
                answers["pose"][at] = POSES.index(thing.pose)
    answers["ground"] = np.array([GROUNDS.index(spec.ground) for spec in specs])
    answers["time"] = np.array([TIMES.index(spec.time) for spec in specs])
    answers["hills"] = np.array([int(spec.hills) for spec in specs])
    return answers
