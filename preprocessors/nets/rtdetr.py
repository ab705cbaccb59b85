"""RT-DETR, a detector of COCO's 80 classes, by transformers' modules. Needs torch and transformers.

Zhao et al. 2023, arXiv:2304.08069, PekingU/rtdetr_r50vd_coco_o365 (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

from ..layers.pretrained import Pretrained, find_model_class


def detector_config() -> Any:
    """Configuration of the published file: ResNet-50-vd, 80 classes of COCO."""
    return find_model_class("RTDetrConfig")(num_labels=80)


RTDETR_MODEL = Pretrained("RTDetrForObjectDetection", detector_config, unused=("bbox_embed.", "class_embed."))
"""Some files hold the heads of the decoder twice; those under model.decoder are used."""
