"""Published keys to ours or another library's, by rules. Light: torch tensors are only cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor


class KeyRenaming:
    """Rules (pattern, replacement), tried in order on the whole key; the first that matches names it anew.

    A replacement of "" drops the key, one with commas cuts the tensor along its first axis into as many equal parts. A
    key that no rule matches, or whose new name is taken, is handed on as it is, so that a strict loader names it.
    """

    def __init__(self, rules: Iterable[tuple[str, str]]) -> None:
        self._rules = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def __call__(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the table under its new names."""
        made: dict[str, Tensor] = {}
        for key, tensor in tensors.items():
            names = self.names(key)
            parts = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
            for name, part in zip(names, parts, strict=False):
                made[key if name in made else name] = part.contiguous()
        return made

    def names(self, key: str) -> list[str]:
        """New names of a key: none where it is dropped, several where its tensor is cut."""
        for pattern, replacement in self._rules:
            found = pattern.fullmatch(key)
            if found:
                return found.expand(replacement).split(",") if replacement else []
        return [key]


def join_tensors(tensors: dict[str, Tensor], before: str, parts: Sequence[str], whole: str) -> dict[str, Tensor]:
    """Join tensors along their first axis: those of `<any><before><part>.<any>` to one of `<any><before><whole>.<any>`.

    Where a part is missing, the others are handed on as they are, so that a strict loader names them.
    """
    import torch

    joined = dict(tensors)
    for key in tensors:
        start, found, rest = key.rpartition(f"{before}{parts[0]}.")
        names = [f"{start}{before}{part}.{rest}" for part in parts]
        name = f"{start}{before}{whole}.{rest}"
        if found and name not in tensors and all(part in tensors for part in names):
            joined[name] = torch.cat([joined.pop(part) for part in names])
    return joined


def rename_prefixes(tensors: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """Tensors under new names: each rule (beginning, replacement) is tried in turn and may follow on another."""
    return {_replace_prefixes(name, rules): tensor for name, tensor in tensors.items()}


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str = "module.") -> dict[str, Tensor]:
    """Tensors without a beginning that all names have (torch's DataParallel puts "module." before them)."""
    if not all(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _replace_prefixes(name: str, rules: Sequence[tuple[str, str]]) -> str:
    for beginning, replacement in rules:
        if name.startswith(beginning):
            name = replacement + name[len(beginning) :]
    return name
