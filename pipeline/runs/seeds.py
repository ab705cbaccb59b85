"""Seeds of the pictures of a request, as A1111 counts them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..request import Request

LARGEST = 2**32 - 1


class PictureSeed(NamedTuple):
    """seed of a picture, subseed of its variation."""

    seed: int
    subseed: int


def list_seeds(request: Request) -> list[PictureSeed]:
    """One for each picture: seeds count up, or stay where variations are wanted; subseeds count up. -1: random."""
    seed, subseed = (secrets.randbelow(LARGEST) if n < 0 else n for n in (request.seed, request.subseed))
    varied = request.subseed_strength > 0
    return [PictureSeed(seed + (0 if varied else index), subseed + index) for index in range(request.count)]
