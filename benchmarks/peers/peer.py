"""Parts of controlnet-aux, if it is installed, without the rest of that package."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

PACKAGE = "controlnet_aux"
HINT = """controlnet-aux is not installed, so there is nothing to compare with. Either
    pip install '.[aux]'
or, where torchvision does not fit the installed torch (most of its parts need neither torchvision nor timm),
    pip install --no-deps controlnet-aux einops"""


def folder(name: str) -> Any:
    """Import one sub-package such as "open_pose". Raises ModuleNotFoundError with what to install.

    The package's own __init__ imports torchvision, timm and every detector; here only the folder asked for is imported,
    under an empty parent module.
    """
    if PACKAGE not in sys.modules:
        spec = find_spec(PACKAGE)
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError(HINT)
        parent = ModuleType(PACKAGE)
        parent.__spec__ = spec
        parent.__path__ = list(spec.submodule_search_locations)
        sys.modules[PACKAGE] = parent
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"controlnet-aux needs {error.name}: pip install {error.name}") from error
