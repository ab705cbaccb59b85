"""Weights files that fit the network of `nets.teed`."""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight

Model = Literal["default", "controlnet_aux"]
"""default: the file A1111 and ComfyUI use. controlnet_aux: the one that pack's users are pointed to."""

MODEL_HELP = "Checkpoint: default is what A1111 and ComfyUI use (epoch 7), controlnet_aux what that pack uses (epoch 5)"

WEIGHTS: dict[Model, Weight] = {
    "default": Weight(
        repo="bdsqlsz/qinglong_controlnet-lllite",
        file="Annotators/7_model.pth",
        sha256="b9037964149c55156c6adbffdfbd7e8ca7d2ef2a4d90573520efa7f3a1aacf06",
        size=247232,
        licence="MIT",
        commercial=True,
    ),
    "controlnet_aux": Weight(
        repo="fal-ai/teed",
        file="5_model.pth",
        sha256="",
        size=0,
        licence="MIT",
        commercial=True,
    ),
}

MTEED = Weight(
    repo="TheMistoAI/MistoLine",
    file="Anyline/MTEED.pth",
    sha256="a3c2d8a8ce9422555c787160bd46362d761325a565333c0e3f6a53e0bae2abdb",
    size=248298,
    licence="MIT",
    commercial=True,
)
