"""Small configurations of the segmentation networks: TINY for speed, NARROW with every layer of the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import transformers as library
from tests.support import random_weights

if TYPE_CHECKING:
    from collections.abc import Callable

transformers: Any = library
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def upernet(config: Any, depths: list[int], labels: int) -> Any:
    """Few channels."""
    backbone = transformers.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=depths, out_features=STAGES)
    return transformers.UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        num_labels=labels,
        use_auxiliary_head=config.use_auxiliary_head,
        auxiliary_in_channels=24,
        auxiliary_channels=8,
    )


def segformer(config: Any, depths: list[int], labels: int) -> Any:
    """Few channels."""
    return transformers.SegformerConfig(
        hidden_sizes=[8, 16, 20, 32], depths=depths, decoder_hidden_size=16, num_labels=labels
    )


def swin(depths: list[int], patch: int) -> Any:
    """Few channels, small windows; with coarse patches much faster."""
    return transformers.SwinConfig(
        image_size=384,
        patch_size=patch,
        embed_dim=12,
        depths=depths,
        num_heads=[3, 6, 12, 24],
        window_size=4,
        out_features=STAGES,
    )


def oneformer(
    config: Any, depths: list[int], labels: int, layers: tuple[int, int] = (6, 10), heads: int = 8, patch: int = 4
) -> Any:
    """Few channels and queries."""
    return transformers.OneFormerConfig(
        backbone_config=swin(depths, patch),
        num_queries=10,
        num_attention_heads=heads,
        num_labels=labels,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=layers[0],
        decoder_layers=layers[1],
        text_encoder_width=32,
    )


def mask2former(
    config: Any, depths: list[int], labels: int, layers: tuple[int, int] = (6, 10), heads: int = 8, patch: int = 4
) -> Any:
    """Few channels and queries."""
    return transformers.Mask2FormerConfig(
        backbone_config=swin(depths, patch),
        num_queries=10,
        num_attention_heads=heads,
        num_labels=labels,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=layers[0],
        decoder_layers=layers[1],
    )


TINY: dict[str, Callable[[Any], Any]] = {
    "UperNetForSemanticSegmentation": lambda config: upernet(config, [1, 1, 1, 1], config.num_labels),
    "SegformerForSemanticSegmentation": lambda config: segformer(config, [1, 1, 1, 1], config.num_labels),
    "OneFormerModel": lambda config: oneformer(config, [1, 1, 1, 1], config.num_labels, (1, 2), 2, 16),
    "Mask2FormerForUniversalSegmentation": lambda config: mask2former(
        config, [1, 1, 1, 1], config.num_labels, (1, 2), 2, 16
    ),
}


GAINS = {
    "class_embed": 8,
    "class_predictor": 8,
    "queries_": 10,
    "query_transformer.decoder.layers": 3,
    "transformer_module.decoder.layers": 0.3,
}
"""Parts of keys -> what their random kernels are multiplied by: queries that stay apart and are sure of their classes,
so that maps have several."""


def tensor(key: str, shape: tuple[int, ...]) -> Any:
    """Random tensor of a NARROW network."""
    gains = [gain for part, gain in GAINS.items() if part in key]
    return random_weights.tensor(key, shape, gain=gains[0] if gains else 1)


LABELS = 12
NARROW: dict[str, Callable[[Any], Any]] = {
    "UperNetForSemanticSegmentation": lambda config: upernet(config, config.backbone_config.depths, LABELS),
    "SegformerForSemanticSegmentation": lambda config: segformer(config, config.depths, LABELS),
    "OneFormerModel": lambda config: oneformer(config, config.backbone_config.depths, LABELS),
    "Mask2FormerForUniversalSegmentation": lambda config: mask2former(config, config.backbone_config.depths, LABELS),
}
