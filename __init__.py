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
_COMFYUI = ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY")


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), so that hosts pay nothing for a mere import."""
    from importlib import import_module

    if name in _COMFYUI and import_module(".comfy_nodes.host", __name__).present():
        return getattr(import_module(".comfy_nodes.mappings", __name__), name)
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
