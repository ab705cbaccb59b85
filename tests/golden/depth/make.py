"""Make depth.npz: the authors' own networks, unchanged, on random weights under their official keys.

    python tests/golden/depth/make.py FOLDER

FOLDER holds clones of DepthAnything/Depth-Anything-V2 (a561b84), LiheYoung/Depth-Anything (1d03336), isl-org/MiDaS
(4545977) and isl-org/ZoeDepth (d87f17b), each under its own name; needs torch, opencv, torchvision and timm 0.6.13.
Depth Anything is ViT-S as published; MiDaS and ZoeDepth have a narrow trunk behind the same keys, which keeps the test
short. Arrays: picture uint8; <network> float32, what it returns; mirrored: `DepthModel.infer` around a network that
returns the mean of its input's channels.
"""

from __future__ import annotations

import contextlib
import io
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from tests import random_weights  # noqa: E402

NAMES = ("Depth-Anything-V2", "Depth-Anything", "MiDaS", "ZoeDepth")
WIDTH, HEADS = 96, 4
"""Of the narrow trunks."""


def filled(module: torch.nn.Module, last: str = "", gain: float = 1.0) -> Any:
    """Module with random weights; tables of whole numbers stay as they are.

    last: bias of the last convolution, raised so that the ReLU behind it does not cut everything off.
    """
    shapes = {k: tuple(v.shape) for k, v in module.state_dict().items() if v.is_floating_point() and "K_minus" not in k}
    tensors = random_weights.tensors(shapes, gain=gain)
    if last:
        tensors[last] += 10
    module.load_state_dict(tensors, strict=False)
    return module.eval()


def picture() -> np.ndarray[Any, Any]:
    """Noise on a slope, uint8 [90, 112, 3]."""
    random = np.random.RandomState(7)
    slope = np.linspace(0, 160, 112)[None, :, None] * np.linspace(0.2, 1, 90)[:, None, None]
    return (slope + random.random_sample((90, 112, 3)) * 90).astype(np.uint8)


def depth_anything_2() -> Any:
    from depth_anything_v2.dpt import DepthAnythingV2

    return filled(DepthAnythingV2("vits", 64, [48, 96, 192, 384]), "depth_head.scratch.output_conv2.2.bias")


def depth_anything_1(folder: Path) -> Any:
    with contextlib.chdir(folder):  # it reads its trunk's code from below the current folder
        from depth_anything.dpt import DPT_DINOv2

        made = DPT_DINOv2("vits", 64, [48, 96, 192, 384])
    return filled(made, "depth_head.scratch.output_conv2.2.bias")


def midas() -> Any:
    from midas import blocks
    from midas.backbones.vit import _make_vit_b_rn50_backbone
    from midas.dpt_depth import DPTDepthModel
    from timm.models.vision_transformer import VisionTransformer
    from timm.models.vision_transformer_hybrid import HybridEmbed, _resnetv2

    def narrow(pretrained: bool, hooks: Any, use_vit_only: bool, use_readout: str) -> Any:
        embed = partial(HybridEmbed, backbone=_resnetv2((3, 4, 9)))
        trunk = VisionTransformer(384, 1, embed_dim=WIDTH, depth=12, num_heads=HEADS, embed_layer=embed)
        return _make_vit_b_rn50_backbone(
            trunk, features=[256, 512, 768, 768], hooks=hooks, vit_features=WIDTH, use_readout=use_readout
        )

    blocks._make_pretrained_vitb_rn50_384 = narrow
    return filled(DPTDepthModel(path=None, backbone="vitb_rn50_384"), "scratch.output_conv.4.bias")


def zoe() -> Any:
    from midas import blocks
    from midas.backbones.beit import _make_beit_backbone
    from midas.dpt_depth import DPTDepthModel
    from timm.models.beit import Beit
    from zoedepth.models.base_models.midas import MidasCore
    from zoedepth.models.zoedepth.zoedepth_v1 import ZoeDepth

    def narrow(pretrained: bool, hooks: Any, use_readout: str) -> Any:
        shape = {"img_size": 384, "patch_size": 16, "embed_dim": WIDTH, "depth": 4, "num_heads": HEADS}
        trunk = Beit(**shape, use_abs_pos_emb=False, use_rel_pos_bias=True, init_values=1e-5)
        return _make_beit_backbone(
            trunk, [256, 512, 1024, 1024], hooks=[0, 1, 2, 3], vit_features=WIDTH, use_readout=use_readout
        )

    blocks._make_pretrained_beitl16_384 = narrow
    with contextlib.redirect_stdout(io.StringIO()):
        core = MidasCore(DPTDepthModel(path=None, backbone="beitl16_384"), img_size=[384, 512], do_resize=False)
    core.set_output_channels("DPT_BEiT_L_384")
    made = ZoeDepth(
        core, n_attractors=[16, 8, 4, 1], attractor_alpha=1000, attractor_kind="mean", attractor_type="inv",
        min_temp=0.0212, max_temp=50.0,
    )  # fmt: skip
    return filled(made, gain=0.9)


def mirrored(images: torch.Tensor) -> torch.Tensor:
    from zoedepth.models.base_models.midas import PrepForMidas
    from zoedepth.models.depth_model import DepthModel

    class Mean(DepthModel):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            with contextlib.redirect_stdout(io.StringIO()):
                seen = PrepForMidas(keep_aspect_ratio=True, img_size=[384, 512])(x)
            return {"metric_depth": seen.mean(1, keepdim=True)}

    return Mean().infer(images)


def main() -> None:
    """Run each network once."""
    folder = Path(sys.argv[1])
    sys.path[1:1] = [str(folder / name) for name in NAMES]
    torch.set_num_threads(1)
    image = picture()
    with torch.inference_mode():
        second = depth_anything_2()
        pixels, _ = second.image2tensor(np.ascontiguousarray(image[..., ::-1]), 70)
        pixels = pixels.float()
        plane = torch.from_numpy(image[:64, :96].copy()).permute(2, 0, 1)[None] / 127.5 - 1
        unit = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        made = {
            "depth_anything_1": depth_anything_1(folder / NAMES[1])(pixels),
            "depth_anything_2": second(pixels),
            "dpt_hybrid": midas()(plane),
            "zoedepth": zoe()(plane / 2 + 0.5)["metric_depth"][:, 0],
            "mirrored": mirrored(unit)[:, 0],
        }
    arrays = {name: value[0].numpy() for name, value in made.items()}
    np.savez_compressed(HERE / "depth.npz", allow_pickle=False, picture=image, **arrays)


if __name__ == "__main__":
    main()
