"""Weights files of the depth networks."""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight
from .annotators_repo import annotators_file
from .transformer_controls import list_controls

Variant = Literal["transformers", "original"]
"""The same weights as transformers publishes them (safetensors) or as the authors do (.pth, .pt)."""

VARIANT_HELP = "Which file of the same weights: transformers' own, or the authors', which A1111 and ComfyUI keep"

DepthAnything1 = Literal["small", "base", "large"]
DepthAnything2 = Literal["small", "base", "large", "small_indoor", "small_outdoor"]
Zoe = Literal["nyu", "kitti", "nyu_kitti"]

METRES = ("small_indoor", "small_outdoor")
"""Models whose output is a distance in metres, not a disparity."""

INPUT_SIZE_HELP = "Shorter side of the network's input in pixels; it was trained at 518"

CONSUMERS = (
    *("control_v11f1p_sd15_depth", "control_sd15_depth", "SDXL depth", "SDXL union, type 1"),
    *list_controls("depth"),
)

SPACE = "spaces/LiheYoung/Depth-Anything"
V2 = "depth-anything/Depth-Anything-V2"


def _apache(repo: str, file: str, sha256: str = "", size: int = 0, revision: str = "main") -> Weight:
    return Weight(
        repo=repo, revision=revision, file=file, sha256=sha256, size=size, licence="Apache-2.0", commercial=True
    )


def _non_commercial(repo: str, file: str, sha256: str = "", size: int = 0, revision: str = "main") -> Weight:
    return Weight(
        repo=repo, revision=revision, file=file, sha256=sha256, size=size, licence="CC-BY-NC-4.0", commercial=False
    )


def _mit(repo: str, file: str, sha256: str = "", size: int = 0, revision: str = "main") -> Weight:
    return Weight(repo=repo, revision=revision, file=file, sha256=sha256, size=size, licence="MIT", commercial=True)


DEPTH_ANYTHING_1: dict[tuple[DepthAnything1, Variant], Weight] = {
    ("small", "transformers"): _apache(
        "LiheYoung/depth-anything-small-hf", "model.safetensors", revision="25216a913fa218ccb7d58cce818d52b728b6c1f6"
    ),
    ("base", "transformers"): _apache("LiheYoung/depth-anything-base-hf", "model.safetensors"),
    ("large", "transformers"): _apache(
        "LiheYoung/depth-anything-large-hf", "model.safetensors", revision="27ccb0920352c0c37b3a96441873c8d37bd52fb6"
    ),
    ("small", "original"): _apache(
        SPACE,
        "checkpoints/depth_anything_vits14.pth",
        "59afe57cfd9f4284deaf5b753d954723d7136ae842fba3e068ba03537ca1e60e",
    ),
    ("base", "original"): _apache(
        SPACE,
        "checkpoints/depth_anything_vitb14.pth",
        "64ae214ae4e27424b644c49464c0aa243016f6f753d95097c8eb9ad0b9cb2d9b",
    ),
    ("large", "original"): _apache(
        SPACE,
        "checkpoints/depth_anything_vitl14.pth",
        "6c6a383e33e51c5fdfbf31e7ebcda943973a9e6a1cbef1564afe58d7f2e8fe63",
        1341401882,
    ),
}

DEPTH_ANYTHING_2: dict[tuple[DepthAnything2, Variant], Weight] = {
    ("small", "transformers"): _apache(
        f"{V2}-Small-hf",
        "model.safetensors",
        "3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",
        99173660,
        "5426e4f0f36572d16453bbda7a8389317b1bef99",
    ),
    ("base", "transformers"): _non_commercial(
        f"{V2}-Base-hf", "model.safetensors", revision="b1958afc87fb45a9e3746cb387596094de553ed8"
    ),
    ("large", "transformers"): _non_commercial(
        f"{V2}-Large-hf",
        "model.safetensors",
        "4e01e34ed5549b529b70b92d53226bc370f03041977b390d3dde45d47f516cf9",
        1341322868,
        "7581137eff8d4e94f6e796d3baea0e9fa79b22d2",
    ),
    ("small_indoor", "transformers"): _apache(f"{V2}-Metric-Indoor-Small-hf", "model.safetensors"),
    ("small_outdoor", "transformers"): _apache(f"{V2}-Metric-Outdoor-Small-hf", "model.safetensors"),
    ("small", "original"): _apache(
        f"{V2}-Small",
        "depth_anything_v2_vits.pth",
        "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
        99218434,
        "03876f8651c73a60fe4c2c48294e09fcb6838fcf",
    ),
    ("base", "original"): _non_commercial(
        f"{V2}-Base",
        "depth_anything_v2_vitb.pth",
        "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328",
        389961218,
        "a4e71a6c2ce52fe50df0f212066b0d4a87be9b5e",
    ),
    ("large", "original"): _non_commercial(
        f"{V2}-Large",
        "depth_anything_v2_vitl.pth",
        "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345",
        1341395338,
        "cbbb86a30ce19b5684b7a05155dc7e6cbc7685b9",
    ),
    ("small_indoor", "original"): _apache(
        f"{V2}-Metric-Hypersim-Small",
        "depth_anything_v2_metric_hypersim_vits.pth",
        "b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545",
        99222290,
        "3bc65d4e14a6786a61acec16453c50e12bf5f338",
    ),
    ("small_outdoor", "original"): _apache(
        f"{V2}-Metric-VKITTI-Small",
        "depth_anything_v2_metric_vkitti_vits.pth",
        "9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb",
        99221808,
        "c725b8589bdf6ab04072cab74c0467830db80d6d",
    ),
}

MIDAS: dict[Variant, Weight] = {
    "transformers": Weight(
        repo="Intel/dpt-hybrid-midas",
        revision="main",
        file="model.safetensors",
        sha256="",
        size=0,
        licence="Apache-2.0",
        commercial=True,
    ),
    "original": annotators_file(
        "dpt_hybrid-midas-501f0c75.pt",
        "501f0c75b3bca7daec6b3682c5054c09b366765aef6fa3a09d03a5cb4b230853",
        licence="MIT",
        commercial=True,
    ),
}

ZOE: dict[Zoe, Weight] = {
    "nyu": _mit("Intel/zoedepth-nyu", "model.safetensors"),
    "kitti": _mit("Intel/zoedepth-kitti", "model.safetensors"),
    "nyu_kitti": _mit("Intel/zoedepth-nyu-kitti", "model.safetensors"),
}

ZOE_ORIGINAL = annotators_file("ZoeD_M12_N.pt", licence="MIT", commercial=True)
"""The nyu model as its authors publish it (1443406099 bytes, hash not known)."""
