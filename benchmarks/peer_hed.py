"""controlnet-aux's own HED, if it is installed, without the rest of that package."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "controlnet_aux"
HINT = """controlnet-aux is not installed, so there is nothing to compare with. Either
    pip install 'underdrawing[aux]'
or, where torchvision does not fit the installed torch (its HED needs neither torchvision nor timm),
    pip install --no-deps controlnet-aux einops"""


def load(weights: Path) -> tuple[Any, Any]:
    """Return the peer's HEDdetector on a safetensors file, and its module of helpers (nms).

    The package's own __init__ imports torchvision, timm and every detector; here only its hed folder is imported, under
    an empty parent module. Raises ModuleNotFoundError with what to install.
    """
    hed = _folder("hed")
    network = hed.ControlNetHED_Apache2()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()}, strict=True)
    return hed.HEDdetector(network.float().eval()), _folder("util")


def _folder(name: str) -> Any:
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


def sides(detector: Any, image: torch.Tensor) -> list[torch.Tensor]:
    """Run the peer's network alone, as its detector does: eager float32 on [1, 3, H, W], to five side logits."""
    with torch.no_grad():
        return detector.netNetwork(image)
