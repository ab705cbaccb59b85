"""What the peers import from torchvision, where it is absent (there is no build of it for a processor alone).

Three transforms do what its documentation says; all else is empty, for peers that only import it.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

NAME = "torchvision"


class Normalize:
    """Subtract means and divide by deviations, per channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean, self.std = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (mean, std))

    def __call__(self, x: Tensor) -> Tensor:
        """Standardise [C, H, W]."""
        return (x - self.mean) / self.std


class ToTensor:
    """[H, W, C] to [C, H, W], bytes to 0..1."""

    def __call__(self, x: Any) -> Tensor:
        """Turn an array round."""
        tensor = torch.from_numpy(x.transpose(2, 0, 1).copy())
        return tensor / 255 if tensor.dtype == torch.uint8 else tensor


class Compose:
    """One step after the other."""

    def __init__(self, steps: list[Callable[[Any], Any]]) -> None:
        self.steps = steps

    def __call__(self, x: Any) -> Any:
        """Take the steps."""
        for step in self.steps:
            x = step(x)
        return x


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] == NAME else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(Normalize=Normalize, ToTensor=ToTensor, Compose=Compose, __getattr__=_nothing)


def _nothing(name: str) -> MagicMock:
    """Something empty under the name of a class; other names are imported as modules."""
    if not name[0].isupper():
        raise AttributeError(name)
    return MagicMock(name=name)


def install() -> None:
    """Answer imports of torchvision, unless it is installed."""
    if find_spec(NAME) is None:
        sys.meta_path.insert(0, _Finder())
