"""Whole checkpoints: merged by recipes, pruned, converted, compared. Nothing here needs torch until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .merging import merge

__all__ = ["merge"]


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name != "merge":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(".merging", __name__), name)
