"""Weights files that fit the networks of `nets.mlsd`."""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight
from .annotators_repo import annotators_file

Model = Literal["large", "tiny"]
"""large: what the hosts run and the ControlNet was trained with. tiny: a third of the work, fewer and rougher lines."""

MODEL_HELP = "large is what existing workflows use, tiny is faster and finds fewer lines"

WEIGHTS: dict[Model, Weight] = {
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
