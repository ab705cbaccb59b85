"""LoRA-family adapters and Textual Inversion embeddings: read, account for, apply, remove without a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .applying.patcher import Patcher
    from .embeddings.load import load_embedding
    from .reading.load import load_adapter

__all__ = ["Patcher", "load_adapter", "load_embedding"]

_LAZY = {"Patcher": "applying.patcher", "load_adapter": "reading.load", "load_embedding": "embeddings.load"}


def __getattr__(name: str) -> Any:
    """Import on first use: nothing here needs torch until it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
