"""Seeds of the pictures of a request, as A1111 counts them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..request import Request

LARGEST = 2**32 - 1


class PictureSeed(NamedTuple):
    """seed of a picture, subseed of its variation, -1 where there is none."""

    seed: int
    subseed: int


def list_seeds(request: Request) -> list[PictureSeed]:
    """One for each picture: seeds count up, or stay where variations are wanted, whose seeds count up then.

    -1: a random one.
    """
    seed = secrets.randbelow(LARGEST) if request.seed < 0 else request.seed
    if not request.subseed_strength:
        return [PictureSeed(seed + index, -1) for index in range(request.count)]
    subseed = secrets.randbelow(LARGEST) if request.subseed < 0 else request.subseed
    return [PictureSeed(seed, subseed + index) for index in range(request.count)]
