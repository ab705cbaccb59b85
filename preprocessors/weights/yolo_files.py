"""Weights files of the detectors that find people and animals for the pose networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...core.aux_inputs import Widget
from ...core.weights.record import Weight
from .dwpose_repo import dwpose_file
from .inference_backend import choose_file
from .rtdetr_files import RTDETR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .inference_backend import InferenceBackend

Detector = Literal["yolox_l", "yolo_nas_l", "yolo_nas_m", "yolo_nas_s", "rtdetr", "none"]
"""yolox_l: what DWPose was published with. yolo_nas: ComfyUI's other choice. rtdetr: what ViTPose is used with. none:
the whole picture is one box."""

DETECTOR_HELP = (
    "Detector of people or animals: yolox_l, yolo_nas (not for commercial use) or rtdetr (needs transformers); none "
    "takes the whole picture as one box"
)

YOLOX = dwpose_file("yolox_l.onnx", "7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411", 216746733)
YOLOX_TORCH = Weight(
    repo="LibreYOLO/LibreYOLOXl",
    file="LibreYOLOXl.pt",
    sha256="",
    size=0,
    licence="Apache-2.0",
    commercial=True,
)
"""The same network for torch, as LibreYOLO keeps it on the hub; its authors' yolox_l.pth, which no hub keeps and whose
hash nobody states, has the same keys and can be declared as it: `underdrawing weights import FILE --as ID`."""


def _nas(size: str, sha256: str = "") -> Weight:
    return Weight(
        repo="hr16/yolo-nas-fp16",
        revision="main",
        file=f"yolo_nas_{size}_fp16.onnx",
        sha256=sha256,
        size=0,
        licence="Deci YOLO-NAS (non-commercial)",
        commercial=False,
    )


DETECTORS: dict[Detector, Weight] = {
    "yolox_l": YOLOX,
    "yolo_nas_l": _nas("l", "c2b758b1caa95d787736853971dbc9c76083080d684148c5cd185b1fd40e37bf"),
    "yolo_nas_m": _nas("m"),
    "yolo_nas_s": _nas("s"),
}
ALL_DETECTORS = (*DETECTORS.values(), YOLOX_TORCH, RTDETR)
BY_COMFYUI: dict[str, Detector] = {
    "None": "none",
    "yolox_l.torchscript.pt": "yolox_l",
    "yolox_l.onnx": "yolox_l",
    "yolo_nas_l_fp16.onnx": "yolo_nas_l",
    "yolo_nas_m_fp16.onnx": "yolo_nas_m",
    "yolo_nas_s_fp16.onnx": "yolo_nas_s",
}
"""ComfyUI's choice → ours. A TorchScript file is a program; another file of the same network runs in its place."""


def choose_detector(detector: Detector, backend: InferenceBackend, where: str) -> Weight | None:
    """File of a detector for an inference backend, None without one; where: the annotator that needs it.

    RT-DETR runs on torch, whatever the inference backend. Raises BadParameter if there is no such file.
    """
    if detector == "none":
        return None
    if detector == "rtdetr":
        return RTDETR
    return choose_file(backend, DETECTORS[detector], YOLOX_TORCH if detector == "yolox_l" else None, where)


def comfyui_choice(name: str, default: str, field: str, ours: Mapping[str, str]) -> Widget:
    """Combo of ComfyUI's file names that sets a parameter to our name of each."""
    return Widget(name=name, default=default, choices=tuple(ours), means={file: {field: ours[file]} for file in ours})
