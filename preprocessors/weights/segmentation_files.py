"""Weights of the networks that name every pixel's class.

Hashes and sizes that are stated come from independent public catalogues; none of these files was at hand here.
"""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight

ADE20K_CONSUMERS = ("control_v11p_sd15_seg", "control_sd15_seg", "SDXL union, type 5")
COCO_CONSUMERS = ("control_v11p_sd15_seg", "SDXL union, type 5")

Segformer = Literal["b0", "b1", "b2", "b3", "b4", "b5"]
"""Smallest and fastest to largest."""

SEGFORMER_HELP = "b0 is the smallest and fastest, b5 the largest and most exact"

UPERNET = Weight(
    repo="openmmlab/upernet-convnext-small",
    file="pytorch_model.bin",
    sha256="76c163aa531ab7edfb3a77bbcc039e340645aa0ffe2b0ffcfc68755f550c76ea",
    size=0,
    licence="MIT",
    commercial=True,
    known_as=("upernet_convnext_small.bin",),
)
ONEFORMER_ADE20K = Weight(
    repo="shi-labs/oneformer_ade20k_swin_large",
    revision="4a5bac8e64f82681a12db2e151a4c2f4ce6092b2",
    file="pytorch_model.bin",
    sha256="c0b2fe11dfecee6f2f1f315f466946e96f4e94813f3f6d660ff3747b83c28cc9",
    size=879517517,
    licence="MIT",
    commercial=True,
)
ONEFORMER_COCO = Weight(
    repo="shi-labs/oneformer_coco_swin_large",
    file="pytorch_model.bin",
    sha256="",
    size=0,
    licence="MIT",
    commercial=True,
)
MASK2FORMER = Weight(
    repo="facebook/mask2former-swin-large-ade-semantic",
    revision="aa25c92404a40599614215e76514c79b427c7527",
    file="model.safetensors",
    sha256="b143c144341c15b4f20165cc6d2c9305fb1b66792f68a6e0e06d2b20dc063b14",
    size=866052064,
    licence="CC-BY-NC-4.0",
    commercial=False,
)


def _segformer(model: Segformer, file: str = "pytorch_model.bin", revision: str = "main", sha256: str = "") -> Weight:
    side = 640 if model == "b5" else 512
    return Weight(
        repo=f"nvidia/segformer-{model}-finetuned-ade-{side}-{side}",
        revision=revision,
        file=file,
        sha256=sha256,
        size=0,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
        commercial=False,
    )


SEGFORMER: dict[Segformer, Weight] = {
    "b0": _segformer(
        "b0",
        "model.safetensors",
        "489d5cd81a0b59fab9b7ea758d3548ebe99677da",
        "6ae39addd01de6b1b8bde2cf677d43a5cd733424b8d186de3f95d1c51fee23f9",
    ),
    "b1": _segformer("b1"),
    "b2": _segformer("b2", revision="de01bae28967510f9ddd496c60a969357195400c"),
    "b3": _segformer("b3"),
    "b4": _segformer("b4"),
    "b5": _segformer(
        "b5",
        revision="739f5d4692954e4a185eac280dec1ba5a7d52f1d",
        sha256="a3dbf2d7a9912203078f304d88df8cfee9fd752ca2d2413f82036bdb02c5e7df",
    ),
}
