"""Transformers' class of Depth Anything, to compare ours with. Needs transformers 4.37 or newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from underdrawing.preprocessors.nets.depth_anything import Backbone


def build_reference(sizes: Backbone, taps: Sequence[int], tensors: dict[str, Tensor], max_depth: int = 0) -> Any:
    """DepthAnythingForDepthEstimation with the tensors of a file of transformers' (4.x) in it, strictly loaded."""
    import transformers

    library: Any = transformers  # its type hints lag behind its code
    backbone = library.Dinov2Config(
        image_size=518,
        patch_size=14,
        hidden_size=sizes.width,
        num_attention_heads=sizes.heads,
        num_hidden_layers=sizes.blocks,
        out_indices=list(taps),
        reshape_hidden_states=False,
    )
    config = library.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=sizes.width,
        neck_hidden_sizes=list(sizes.channels),
        fusion_hidden_size=sizes.fused,
        depth_estimation_type="metric" if max_depth else "relative",
        max_depth=max_depth or 1,
    )
    model, found = library.DepthAnythingForDepthEstimation.from_pretrained(
        None, config=config, state_dict=tensors, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    return model.eval()
