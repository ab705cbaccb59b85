"""Underdrawing: ControlNet annotators and LoRA-family adapters for ComfyUI, A1111/Forge, the command line and scripts.

>>> import underdrawing
>>> edges = underdrawing.annotate("canny", "photo.jpg", resolution=512)  # doctest: +SKIP
>>> edges.images.shape  # doctest: +SKIP
(1, 512, 768, 3)

Everything in ``__all__`` is imported on first use, so a mere import costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters import Patcher, load_adapter, load_embedding
    from .checkpoints import merge
    from .core.errors import (
        BadImage,
        BadParameter,
        BadWeights,
        Cancelled,
        FetchFailed,
        MissingExtra,
        UnderdrawingError,
        UnknownName,
        UnsafeFile,
        WeightsMissing,
        WriteFailed,
    )
    from .core.networks.cache import unload
    from .core.operation_registry import operations
    from .pipeline.generate import generate
    from .pipeline.request import Control, Hires
    from .preprocessors import annotate, load_annotator, registry

__version__ = "0.1.0"
__all__ = [
    "BadImage",
    "BadParameter",
    "BadWeights",
    "Cancelled",
    "Control",
    "FetchFailed",
    "Hires",
    "MissingExtra",
    "Patcher",
    "UnderdrawingError",
    "UnknownName",
    "UnsafeFile",
    "WeightsMissing",
    "WriteFailed",
    "__version__",
    "annotate",
    "generate",
    "load_adapter",
    "load_annotator",
    "load_embedding",
    "merge",
    "operations",
    "registry",
    "unload",
]

_MODULES = {
    "adapters": ("Patcher", "load_adapter", "load_embedding"),
    "checkpoints": ("merge",),
    "core.networks.cache": ("unload",),
    "core.operation_registry": ("operations",),
    "pipeline.generate": ("generate",),
    "pipeline.request": ("Control", "Hires"),
    "preprocessors": ("annotate", "load_annotator", "registry"),
}
_LAZY = {name: module for module, names in _MODULES.items() for name in names}
_COMFYUI = ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY")


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), so that hosts pay nothing for a mere import."""
    from importlib import import_module

    if name in _COMFYUI and import_module(".comfy_nodes.host", __name__).present():
        return getattr(import_module(".comfy_nodes.mappings", __name__), name)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .core.imports import report_broken_imports

    with report_broken_imports():
        return getattr(import_module(f".{_LAZY.get(name, 'core.errors')}", __name__), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
