"""Keys of one library to another's, by rules. Light: torch tensors are only cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


class Renaming:
    """Rules (pattern, replacement), tried in order on the whole key; the first that matches names it anew.

    A replacement of "" drops the key, one with commas cuts the tensor along its first axis into as many equal parts. A
    key that no rule matches is handed on as it is, so that a strict loader names it.
    """

    def __init__(self, rules: Iterable[tuple[str, str]]) -> None:
        self._rules = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def __call__(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the table under its new names."""
        made: dict[str, Tensor] = {}
        for key, tensor in tensors.items():
            names = self.names(key)
            parts = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
            made.update(zip(names, (part.contiguous() for part in parts), strict=False))
        return made

    def names(self, key: str) -> list[str]:
        """New names of a key: none where it is dropped, several where its tensor is cut."""
        for pattern, replacement in self._rules:
            found = pattern.fullmatch(key)
            if found:
                return found.expand(replacement).split(",") if replacement else []
        return [key]
