"""Underdrawing: ControlNet annotators for ComfyUI, A1111/Forge, the command line and scripts.

>>> import underdrawing
>>> edges = underdrawing.annotate("canny", "photo.jpg", resolution=512)  # doctest: +SKIP
>>> edges.images.shape  # doctest: +SKIP
(1, 512, 768, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .preprocessors import annotate, load_annotator

__version__ = "0.1.0"
__all__ = ["__version__", "annotate", "load_annotator"]

_LAZY = {"annotate": "preprocessors", "load_annotator": "preprocessors"}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), so that hosts pay nothing for a mere import."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
