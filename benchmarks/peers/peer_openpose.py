"""controlnet-aux's own OpenPose, if it is installed, also on maps or random weights of our choice."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peers import peer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor


def module() -> Any:
    """Import open_pose. It imports two classes of torchvision that it never uses: made up where that is absent."""
    if "torchvision" not in sys.modules and find_spec("torchvision") is None:
        fake = ModuleType("torchvision.transforms")
        fake.ToTensor = fake.ToPILImage = lambda: None  # type: ignore[attr-defined]
        sys.modules["torchvision"] = ModuleType("torchvision")
        sys.modules["torchvision.transforms"] = fake
    return peer.folder("open_pose")


class Maps(torch.nn.Module):
    """A network that returns what it is told, whatever it sees."""

    def __init__(self, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.answer, self.anchor = answer, torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Any:
        """Hand the picture to the answer."""
        return self.answer(x)


def without_weights(name: str, network: torch.nn.Module) -> Any:
    """A "Body", "Hand" or "Face" round another network, past its constructor, which reads a file."""
    kind = getattr(module(), name)
    made = kind.__new__(kind)
    made.model = network
    return made


def body_on(maps: NDArray[np.float32]) -> Any:
    """The peer's Body on maps [57, h, w]: heat first."""
    heat, fields = torch.from_numpy(maps[None, :19].copy()), torch.from_numpy(maps[None, 19:].copy())
    return without_weights("Body", Maps(lambda x: (fields, heat)))


def part_on(name: str, maps: Callable[[int], NDArray[np.float32]]) -> Any:
    """The peer's Hand or Face on maps that depend on the number of cells; a face's come as a list of stages."""

    def answer(x: Tensor) -> Any:
        found = torch.from_numpy(maps(x.shape[-1] // 8))[None]
        return [found] if name == "Face" else found

    return without_weights(name, Maps(answer))


def networks() -> dict[str, Any]:
    """Empty networks of the peer by our names."""
    parts = module()
    return {
        "body": parts.body.bodypose_model(),
        "hand": parts.hand.handpose_model(),
        "face": parts.face.FaceNet(),
    }


def official_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the published file of "body", "hand" or "face"."""
    with torch.device("meta"):
        table = networks()[name].state_dict()
    return {(key if name == "face" else key.partition(".")[2]): tuple(value.shape) for key, value in table.items()}


def filled(name: str, tensors: Mapping[str, Tensor]) -> Any:
    """A network of the peer with tensors under the official keys."""
    network = networks()[name]
    table = tensors if name == "face" else module().util.transfer(network, tensors)
    network.load_state_dict(table, strict=True)
    return network.eval()
