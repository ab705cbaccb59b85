"""Weights files of RTMPose (`nets.rtmpose` and its ONNX exports)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...core.weights.record import Weight
from .dwpose_repo import dwpose_file
from .inference_backend import choose_file

if TYPE_CHECKING:
    from .inference_backend import InferenceBackend

Estimator = Literal["dw-ll_ucoco_384", "dw-ll_ucoco"]
"""dw-ll_ucoco_384: crops of 288 x 384, what every host uses. dw-ll_ucoco: crops of 192 x 256, faster and less exact."""

ESTIMATOR_HELP = "Keypoint network: dw-ll_ucoco_384 is the usual one, dw-ll_ucoco takes smaller crops"

WHOLE_BODY: dict[Estimator, Weight] = {
    "dw-ll_ucoco_384": dwpose_file(
        "dw-ll_ucoco_384.onnx", "724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843", 134399116
    ),
    "dw-ll_ucoco": Weight(
        repo="hr16/UnJIT-DWPose",
        revision="main",
        file="dw-ll_ucoco.onnx",
        sha256="",
        size=0,
        licence="Apache-2.0",
        commercial=True,
    ),
}
WHOLE_BODY_TORCH: dict[Estimator, Weight] = {
    "dw-ll_ucoco_384": dwpose_file(
        "dw-ll_ucoco_384.pth", "0d9408b13cd863c4e95a149dd31232f88f2a12aa6cf8964ed74d7d97748c7a07", 406878486
    ),
}
"""The same networks as their authors published them; there is none for smaller crops."""
CROPS: dict[Estimator, tuple[int, int]] = {"dw-ll_ucoco_384": (288, 384), "dw-ll_ucoco": (192, 256)}
"""Width and height of the network's input."""
SIMCC_SPLIT = 2
"""Bins of SimCC's curves per pixel of the crop."""
BY_COMFYUI: dict[str, Estimator] = {
    "dw-ll_ucoco_384_bs5.torchscript.pt": "dw-ll_ucoco_384",
    "dw-ll_ucoco_384.onnx": "dw-ll_ucoco_384",
    "dw-ll_ucoco.onnx": "dw-ll_ucoco",
}
"""ComfyUI's choice → ours. A TorchScript file is a program; another file of the same network runs in its place."""

AP10K = Weight(
    repo="bdsqlsz/qinglong_controlnet-lllite",
    revision="main",
    file="Annotators/rtmpose-m_simcc-ap10k_pt-aic-coco_210e-256x256-7a041aa1_20230206.onnx",
    sha256="",
    size=0,
    licence="Apache-2.0",
    commercial=True,
)
_AP10K_FILE = "rtmpose-m_simcc-ap10k_pt-aic-coco_210e-256x256-7a041aa1_20230206.pth"
AP10K_TORCH = Weight(
    repo="open-mmlab/mmpose",
    file=_AP10K_FILE,
    sha256="896e3665d849ef7eb9b6ec0995955796cc9810f024fa0aa0bdc18acb0d68bf52",
    size=0,
    licence="Apache-2.0",
    commercial=True,
    url=f"https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/{_AP10K_FILE}",
)
AP10K_BY_COMFYUI = ("rtmpose-m_ap10k_256_bs5.torchscript.pt", "rtmpose-m_ap10k_256.onnx")
"""ComfyUI's names of the same network."""
AP10K_CROP = (256, 256)


def choose_estimator(estimator: Estimator, backend: InferenceBackend, where: str) -> Weight:
    """File of an estimator for an inference backend; where: the annotator that needs it. Raises BadParameter if
    none."""
    return choose_file(backend, WHOLE_BODY[estimator], WHOLE_BODY_TORCH.get(estimator), where)


def choose_animal_estimator(backend: InferenceBackend, where: str) -> Weight:
    """Likewise for animals."""
    return choose_file(backend, AP10K, AP10K_TORCH, where)
