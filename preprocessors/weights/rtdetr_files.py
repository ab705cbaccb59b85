"""The weights file of RT-DETR (`nets.rtdetr`)."""

from __future__ import annotations

from ...core.weights.record import Weight

RTDETR = Weight(
    repo="PekingU/rtdetr_r50vd_coco_o365",
    revision="457857cec8ac28ddede40ecee9eed2beca321af8",
    file="model.safetensors",
    sha256="",
    size=0,
    licence="Apache-2.0",
    commercial=True,
)
