"""Small configurations of the depth networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def dpt_hybrid(config: Any) -> Any:
    """Few channels in the trunk and the head; the stem has groups of 32."""
    config.hidden_size, config.num_attention_heads, config.intermediate_size = 8, 1, 16
    config.neck_hidden_sizes = [256, 512, 8, 8]
    config.fusion_hidden_size = 8
    config.backbone_config.depths = [1, 1, 1]
    return config


def zoedepth(config: Any) -> Any:
    """Few channels, a block per tap."""
    backbone = config.backbone_config
    backbone.hidden_size, backbone.num_attention_heads, backbone.num_hidden_layers = 8, 1, 4
    backbone.intermediate_size = 16
    stages = [f"stage{i + 1}" for i in range(4)]
    made = type(backbone)(**_kept(backbone, drop=("out_features", "out_indices", "stage_names")), out_features=stages)
    config.backbone_config = made
    config.neck_hidden_sizes = [4, 4, 8, 8]
    config.fusion_hidden_size = config.bottleneck_features = 8
    config.bin_embedding_dim = 8
    config.num_relative_features = 4
    config.bin_configurations = [{**bins, "n_bins": 4} for bins in config.bin_configurations]
    return config


def _kept(config: Any, drop: tuple[str, ...]) -> dict[str, Any]:
    table = config.to_dict()
    return {name: value for name, value in table.items() if name.lstrip("_") not in drop}


TINY: dict[str, Callable[[Any], Any]] = {
    "DPTForDepthEstimation": dpt_hybrid,
    "ZoeDepthForDepthEstimation": zoedepth,
}
