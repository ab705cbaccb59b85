"""ViTPose, heatmaps of a person's 17 keypoints, by transformers' modules. Needs torch and transformers.

Xu et al. 2022, arXiv:2204.12484, usyd-community/vitpose-base-simple (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

from ..layers.pretrained import Pretrained, find_model_class


def estimator_config() -> Any:
    """Configuration of the published file: ViT-B, the simple decoder, 17 keypoints."""
    backbone = find_model_class("VitPoseBackboneConfig")(
        image_size=[256, 192],
        patch_size=[16, 16],
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        out_indices=[12],
    )
    return find_model_class("VitPoseConfig")(
        backbone_config=backbone, num_labels=17, scale_factor=4, use_simple_decoder=True
    )


VITPOSE_MODEL = Pretrained("VitPoseForPoseEstimation", estimator_config)
