"""Small models of the classes that pose annotators take from transformers."""

from __future__ import annotations

from typing import Any

import transformers

KNOWN: Any = transformers


def detector(config: Any) -> Any:
    """RT-DETR that is sure to see people."""
    backbone = KNOWN.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_indices=[2, 3, 4]
    )
    small: dict[str, Any] = {"encoder_hidden_dim": 16, "d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    return KNOWN.RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[8, 16, 16],
        decoder_in_channels=[16, 16, 16],
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        decoder_layers=1,
        num_queries=3,
        num_labels=config.num_labels,
        initializer_bias_prior_prob=0.6,
        **small,
    )


def estimator(config: Any) -> Any:
    """ViTPose of two thin layers whose maps have clear peaks."""
    backbone = KNOWN.VitPoseBackboneConfig(
        image_size=[256, 192], hidden_size=16, num_hidden_layers=2, num_attention_heads=2, out_indices=[2]
    )
    return KNOWN.VitPoseConfig(backbone_config=backbone, num_labels=config.num_labels, initializer_range=0.3)


TINY = {"RTDetrForObjectDetection": detector, "VitPoseForPoseEstimation": estimator}
