"""controlnet-aux's own LeReS and Normal BAE, if it is installed, on random weights under the published names."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from peers import peer, torchvision_stand_in

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support import random_weights  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

GAINS = {"leres": 0.6, "bae": 0.8}
"""Factors of random kernels at which these deep networks neither fade nor explode."""


def leres(seed: int = 0) -> tuple[Any, Tensors]:
    """Return the peer's LeresDetector (without the network that boosts) and the tensors it runs on."""
    torchvision_stand_in.install()
    with _quiet():
        module = peer.folder("leres")
        network = module.RelDepthModel(backbone="resnext101").eval()
    tensors = _filled(network, "leres", seed)
    return module.LeresDetector(network, None), tensors


def bae(seed: int = 0) -> tuple[Any, Tensors]:
    """Return the peer's NormalBaeDetector and the tensors it runs on."""
    torchvision_stand_in.install()
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
