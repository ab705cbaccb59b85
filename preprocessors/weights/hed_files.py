"""Weights files that fit the network of `nets.hed`."""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight
from .annotators_repo import annotators_file

Model = Literal["bsds500", "controlnet"]
"""bsds500: bundled, object contours. controlnet: the file the softedge and scribble ControlNets were trained with."""

MODEL_HELP = "bsds500 comes with this package, controlnet is fetched and is what existing workflows use"

WEIGHTS: dict[Model, Weight] = {
    "bsds500": Weight(
        file="hed_bsds500.safetensors",
        bundled="hed_bsds500.safetensors",
        sha256="fbc1effc1fb93460eaa21454b974756889f4198b45bf863afcfca7550f89c353",
        size=29435728,
        licence="MIT",
        commercial=True,
    ),
    "controlnet": annotators_file(
        "ControlNetHED.pth",
        "5ca93762ffd68a29fee1af9d495bf6aab80ae86f08905fb35472a083a4c7a8fa",
        29444406,
        licence="Apache-2.0",
        commercial=True,
    ),
}
