"""controlnet-aux's own M-LSD and PiDiNet, if it is installed, on random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peers import peer
from tests.support.random_weights import tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAIN = {"large": 1.0, "tiny": 0.9, "pidinet": 0.85}
"""Spread of the random kernels with which each network's output is neither flat nor saturated."""


class Fixed(torch.nn.Module):
    """Network that always answers one output [C, h, w]."""

    def __init__(self, output: NDArray[np.float32]) -> None:
        super().__init__()
        self.output = torch.nn.Parameter(torch.from_numpy(output)[None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same whatever is seen."""
        return self.output


def mlsd(model: str) -> Any:
    """Return the peer's network; its tiny one asks the net for trunk weights, and is given none."""
    module = peer.folder(f"mlsd.models.mbv2_mlsd_{model}")
    module.model_zoo.load_url = _nothing
    return filled(getattr(module, f"MobileV2_MLSD_{model.title()}")(), model)


def _nothing(url: str) -> dict[str, torch.Tensor]:
    return {}


def mlsd_detector() -> Any:
    """Return the peer's MLSDdetector, which runs the large network."""
    return peer.folder("mlsd").MLSDdetector(mlsd("large"))


def pidinet() -> Any:
    """Return the peer's PidiNetDetector."""
    return peer.folder("pidi").PidiNetDetector(filled(peer.folder("pidi.model").pidinet(), "pidinet"))


def filled(network: Any, name: str) -> Any:
    """Give a network its random weights."""
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(tensors(shapes, gain=GAIN[name]), strict=True)
    return network.eval()


def mlsd_pair() -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the peer's MLSDdetector and the tensors it runs on."""
    detector = mlsd_detector()
    return detector, detector.model.state_dict()


def pidinet_pair() -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the peer's PidiNetDetector and the tensors it runs on."""
    detector = pidinet()
    return detector, detector.netNetwork.state_dict()


def mlsd_output(network: Any, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run the network alone on RGB [H, W, 3] and a plane of ones, normalised as its decoder does."""
    plane = np.ones((*image.shape[:2], 1), np.float32)
    x = np.concatenate((image.astype(np.float32), plane), axis=2).transpose(2, 0, 1)[None] / 127.5 - 1.0
    with torch.no_grad():
        return network(torch.from_numpy(x.astype(np.float32)))[0].numpy()


def segments(network: Any, image: NDArray[np.uint8], score: float = 0.1, distance: float = 0.1) -> NDArray[np.float64]:
    """Run network and decoder."""
    utils = peer.folder("mlsd.utils")
    with torch.no_grad():
        return utils.pred_lines(image, network, list(image.shape[:2]), score, distance)


def decoded(output: NDArray[np.float32], score: float, distance: float) -> NDArray[np.float64]:
    """Run the decoder alone on [C, h, w]; it raises IndexError where it finds nothing, which is an empty table here."""
    height, width = output.shape[1:]
    try:
        return segments(Fixed(output), np.zeros((2 * height, 2 * width, 3), np.uint8), score, distance)
    except IndexError:
        return np.zeros((0, 4))


def edge_probability(detector: Any, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run PiDiNet alone on RGB [H, W, 3], as its detector does."""
    x = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).float().permute(2, 0, 1)[None] / 255.0
    with torch.no_grad():
        return detector.netNetwork(x)[-1][0, 0].numpy()


def edge_map(detector: Any, image: NDArray[np.uint8], **options: Any) -> NDArray[np.uint8]:
    """Call PiDiNet's detector for a picture of its own size: 8-bit map [H, W]."""
    side = min(image.shape[:2])
    return detector(image, detect_resolution=side, image_resolution=side, output_type="np", **options)[..., 0]


def fixed_detector(output: NDArray[np.float32]) -> Any:
    """Return the peer's MLSDdetector with a network that costs nothing and always answers [C, h, w]."""
    return peer.folder("mlsd").MLSDdetector(Fixed(output))
