"""Weights files that fit the networks of `nets.mlsd`."""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight
from .annotators_repo import annotators_file

Model = Literal["large", "tiny"]
"""large: what the hosts run and the ControlNet was trained with. tiny: a third of the work, fewer and rougher lines."""

MODEL_HELP = "large is what existing workflows use, tiny is faster and finds fewer lines"

Checkpoint = Literal["bundled", "controlnet"]
"""bundled: the authors' networks, as they came by way of ONNX. controlnet: the files of the PyTorch port."""

CHECKPOINT_HELP = "bundled comes with this package, controlnet is fetched: the same training in another file"

Upsampling = Literal["port", "original"]
"""How coarse features are enlarged."""

UPSAMPLING_HELP = "How features are enlarged: as the hosts' PyTorch port does, or as the authors' network"


def _bundled(file: str, sha256: str, size: int) -> Weight:
    return Weight(file=file, bundled=file, sha256=sha256, size=size, licence="Apache-2.0", commercial=True)


WEIGHTS: dict[Model, Weight] = {
    "large": _bundled(
        "mlsd_large_512.safetensors", "f3697fb95ca8ded4b1ad59be3a48e1e8335191a5ba0cd7562adea9ec416eb761", 6099740
    ),
    "tiny": _bundled(
        "mlsd_tiny_512.safetensors", "c5044999c9bb5ff202beff256565933d32ff62cc2d4b8e52cd1db15833c6faeb", 2462044
    ),
}

CONTROLNET: dict[Model, Weight] = {
    "large": annotators_file(
        "mlsd_large_512_fp32.pth",
        "5696f168eb2c30d4374bbfd45436f7415bb4d88da29bea97eea0101520fba082",
        6341481,
        licence="Apache-2.0",
        commercial=True,
    ),
    "tiny": Weight(
        repo="lllyasviel/ControlNet",
        file="annotator/ckpts/mlsd_tiny_512_fp32.pth",
        sha256="",
        size=0,
        licence="Apache-2.0",
        commercial=True,
        known_as=("mlsd_tiny_512_fp32.pth",),
    ),
}
