"""controlnet-aux's own LeReS and Normal BAE, if it is installed, on random weights under the published names."""

from __future__ import annotations

import contextlib
import io
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import peer
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import random_weights  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Tensors = dict[str, Tensor]

GAINS = {"leres": 0.6, "bae": 0.8}
"""Factors of random kernels at which these deep networks neither fade nor explode."""


def leres(seed: int = 0) -> tuple[Any, Tensors]:
    """Return the peer's LeresDetector (without the network that boosts) and the tensors it runs on."""
    _stand_in_for_torchvision()
    with _quiet():
        module = peer.folder("leres")
        network = module.RelDepthModel(backbone="resnext101").eval()
    tensors = _filled(network, "leres", seed)
    return module.LeresDetector(network, None), tensors


def bae(seed: int = 0) -> tuple[Any, Tensors]:
    """Return the peer's NormalBaeDetector and the tensors it runs on."""
    _stand_in_for_torchvision()
    settings = SimpleNamespace(
        mode="client", architecture="BN", pretrained="scannet", sampling_ratio=0.4, importance_ratio=0.7
    )
    with _quiet():
        module = peer.folder("normalbae")
        network = module.NNET(settings).eval()
    tensors = _filled(network, "bae", seed)
    return module.NormalBaeDetector(network), tensors


def _filled(network: Any, name: str, seed: int) -> Tensors:
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    tensors = random_weights.tensors(shapes, seed, GAINS[name])
    network.load_state_dict(tensors, strict=True)
    return tensors


@contextlib.contextmanager
def _quiet() -> Any:
    """Take what the peer prints, and keep our command line from its own parser."""
    given, sys.argv = sys.argv, sys.argv[:1]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        sys.argv = given


class _Normalize:
    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean, self.std = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (mean, std))

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class _ToTensor:
    def __call__(self, x: Any) -> Tensor:
        tensor = torch.from_numpy(x.transpose(2, 0, 1).copy())
        return tensor / 255 if tensor.dtype == torch.uint8 else tensor


class _Compose:
    def __init__(self, steps: list[Callable[[Any], Any]]) -> None:
        self.steps = steps

    def __call__(self, x: Any) -> Any:
        for step in self.steps:
            x = step(x)
        return x


def _stand_in_for_torchvision() -> None:
    """Three transforms under torchvision's names, where it is absent; they do what its documentation says."""
    if "torchvision" in sys.modules or find_spec("torchvision") is not None:
        return
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.transforms")
    modules: list[Any] = [ModuleType(name) for name in names]
    for module in modules:
        module.__spec__ = ModuleSpec(module.__name__, None)
        module.Normalize, module.ToTensor, module.Compose = _Normalize, _ToTensor, _Compose
        sys.modules[module.__name__] = module
    modules[0].transforms = modules[1]
    modules[1].transforms = modules[2]
