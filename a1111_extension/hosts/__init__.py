"""Everything that is asked of the hosts themselves, by what they can do and never by their versions."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .a1111 import A1111


@cache
def get_host() -> A1111:
    """The host of this process: Forge and its relatives bring a package of their own beside A1111's."""
    if find_spec("modules_forge") is not None:
        from .forge import Forge

        return Forge()
    from .a1111 import A1111

    return A1111()
