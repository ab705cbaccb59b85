"""Make outputs.npz: mmpose's RTMPose and Megvii's YOLOX-L, their code unchanged, on random weights.

    git clone https://github.com/open-mmlab/mmpose; git clone https://github.com/Megvii-BaseDetection/YOLOX
    pip install mmengine; pip install --no-deps mmcv-lite
    PYTHONPATH=.dev:. python tests/golden/rtmpose_torch/make.py mmpose YOLOX

Weights: weights.py under the published keys. Arrays: `<name>_keys` uint8, JSON: key -> shape of the whole file; `crop`
int8 [3, 384, 288] / 50: what the pose networks see (the animal's is its corner); `<name>_tops` int16 [K, 2]: highest
bin of each point's curves; `<name>_x`, `<name>_y` float32 [K / STEP, bins]: the curves of every STEP-th point;
`picture` uint8 [3, 64, 96] and `yolox` float32 [126, 85]: offsets, logarithms of sizes, objectness and classes, as
exported.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from tests.golden.rtmpose_torch.weights import random as random_tensors

HERE = Path(__file__).parent
STEP = {"whole_body": 13, "animal": 3}
EMPTY = (
    *("mmpose", "mmpose.models", "mmpose.models.backbones", "mmpose.models.heads", "mmpose.models.utils"),
    *("mmpose.models.heads.coord_cls_heads", "mmpose.codecs", "mmpose.codecs.utils", "mmpose.evaluation"),
    *("mmpose.evaluation.functional", "yolox", "yolox.models", "yolox.utils", "loguru"),
)
"""Packages whose own __init__ imports all of the rest; only what is asked for is imported."""


def stub(mmpose: str, yolox: str) -> None:
    """Put empty packages over the folders, with names that the networks import and never call."""
    for name in EMPTY:
        module: Any = ModuleType(name)
        module.__path__ = [str(Path(yolox if name.startswith("yolox") else mmpose, *name.split(".")))]
        sys.modules[name] = module
    unused: Any = sys.modules
    unused["mmpose.codecs.utils"].get_simcc_normalized = None
    unused["mmpose.evaluation.functional"].simcc_pck_accuracy = None
    unused["loguru"].logger = None
    for name in ("bboxes_iou", "cxcywh2xyxy", "meshgrid", "visualize_assign"):
        setattr(unused["yolox.utils"], name, None)
    unused["mmpose.models.utils"].CSPLayer = importlib.import_module("mmpose.models.utils.csp_layer").CSPLayer


def rtmpose(depth: float, width: float, points: int, size: tuple[int, int]) -> Any:
    """Network of the published configuration, loss left out."""
    trunk = importlib.import_module("mmpose.models.backbones.cspnext").CSPNeXt
    head: Any = importlib.import_module("mmpose.models.heads.coord_cls_heads.rtmcc_head")
    gau = {"hidden_dims": 256, "s": 128, "expansion_factor": 2, "dropout_rate": 0.0, "drop_path": 0.0}
    head.MODELS.build = lambda config: None
    return torch.nn.ModuleDict(
        {
            "backbone": trunk(
                arch="P5",
                expand_ratio=0.5,
                deepen_factor=depth,
                widen_factor=width,
                out_indices=(4,),
                channel_attention=True,
                norm_cfg={"type": "SyncBN"},
                act_cfg={"type": "SiLU"},
            ),
            "head": head.RTMCCHead(
                in_channels=int(1024 * width),
                out_channels=points,
                input_size=size,
                in_featuremap_size=tuple(side // 32 for side in size),
                simcc_split_ratio=2.0,
                final_layer_kernel_size=7,
                gau_cfg=gau | {"act_fn": "SiLU", "use_rel_bias": False, "pos_enc": False},
            ),
        }
    )


def yolox() -> Any:
    """YOLOX-L as its exps/default/yolox_l.py and export_onnx.py make it."""
    neck = importlib.import_module("yolox.models.yolo_pafpn").YOLOPAFPN(1.0, 1.0)
    head: Any = importlib.import_module("yolox.models.yolo_head").YOLOXHead(80)
    head.decode_in_inference = False
    module = importlib.import_module("yolox.models.yolox").YOLOX(neck, head)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eps = 1e-3
    return module


def filled(name: str, module: Any, arrays: dict[str, Any]) -> Any:
    """Module with random weights; its keys are noted."""
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    arrays[f"{name}_keys"] = np.frombuffer(json.dumps(shapes, separators=(",", ":")).encode(), np.uint8)
    module.load_state_dict(random_tensors(name, shapes), strict=True)
    return module.eval()


def main() -> None:
    """Write the arrays."""
    stub(*sys.argv[1:3])
    random = np.random.RandomState(0)
    coarse = random.randint(-100, 101, (3, 24, 18)).astype(np.int8)
    arrays: dict[str, Any] = {"crop": coarse.repeat(16, 1).repeat(16, 2)}
    arrays["picture"] = random.randint(0, 256, (3, 64, 96)).astype(np.uint8)
    for name, shape in (("whole_body", (1, 1, 133, (288, 384))), ("animal", (0.67, 0.75, 17, (256, 256)))):
        module = filled(name, rtmpose(*shape), arrays)
        crop = torch.from_numpy(arrays["crop"])[None, :, : shape[3][1], : shape[3][0]].float() / 50
        with torch.no_grad():
            curves = module["head"](module["backbone"](crop))
        tops = np.stack([curve[0].argmax(-1).numpy() for curve in curves], 1)
        arrays[f"{name}_tops"] = tops.astype(np.int16)
        for axis, curve in zip("xy", curves, strict=True):
            arrays[f"{name}_{axis}"] = curve[0, :: STEP[name]].numpy()
            sys.stderr.write(f"{name} {axis} std {curve.std():.3g} max {curve.max():.3g}\n")
        sys.stderr.write(f"{name}: {len(set(tops[:, 0].tolist()))} of {len(tops)} highest columns differ\n")
    module = filled("yolox", yolox(), arrays)
    with torch.no_grad():
        found = module(torch.from_numpy(arrays["picture"])[None].float())[0]
    for part in (found[:, :2], found[:, 2:4], found[:, 4], found[:, 5:]):
        sys.stderr.write(f"yolox mean {part.mean():.3g} std {part.std():.3g} {part.min():.3g} {part.max():.3g}\n")
    arrays["yolox"] = found.numpy()
    np.savez_compressed(HERE / "outputs.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
