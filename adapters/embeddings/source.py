"""The content of an embedding file before and after it is understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

Tokens = dict[str, "dict[str, Tensor]"]
LONGEST_NAME = 512


@dataclass(frozen=True)
class Source:
    """A file's content before anybody knows what it means, and what to call it. own_names: whether `name` counts."""

    path: Path
    content: Any
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    own_names: bool = False

    @property
    def table(self) -> dict[str, Any]:
        """Content as a table; empty for lists."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def name(self) -> str:
        """What the embedding of a file without tokens is called."""
        notes_here = self.table.get("name") if self.own_names else None
        return notes_here[:LONGEST_NAME] if isinstance(notes_here, str) and notes_here.strip() else self.path.stem


@dataclass(frozen=True)
class TokenTable:
    """Tokens of a file, the layout they stood in, and what a user should know."""

    format: str
    tokens: Tokens
    notes: tuple[str, ...] = ()
