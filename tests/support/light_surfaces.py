"""Shallow stand-ins of the heavy networks for surfaces, for tests that ask nothing of what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

from underdrawing.preprocessors.nets import bae, leres

if TYPE_CHECKING:
    from collections.abc import Mapping


def shallow_leres(metadata: Mapping[str, str]) -> leres.LeReS:
    """Build all four stages with two blocks each, of 33: one that changes the shape and one that does not."""
    with patch.object(leres, "STAGES", tuple((planes, 2, stride) for planes, _, stride in leres.STAGES)):
        return leres.build(metadata)


def shallow_bae(metadata: Mapping[str, str]) -> bae.NormalBAE:
    """Build all seven stages with two blocks each, of 39: one that changes the shape and one with a shortcut."""
    with patch.object(bae, "STAGES", tuple((*stage, min(2, blocks)) for *stage, blocks in bae.STAGES)):
        return bae.build(metadata)


BUILDERS = {leres.build: shallow_leres, bae.build: shallow_bae}
"""What `random_weights.stand_in` builds instead."""
