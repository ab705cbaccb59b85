"""The reference model in files of other names (exported, merged, pruned), recognised by the shapes of its weights.

Its heads and groups of channels stand in no shape, and not every tool keeps the header that says them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Shapes = Mapping[str, tuple[int, ...]]

SCALING_FACTOR = 0.18215
"""SD1's factor from the VAE's latents to the UNet's."""
LATENT = 16
"""Side of the latents of a picture of 128."""
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [32, 32, 64, 96],
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 128,
    "scaling_factor": SCALING_FACTOR,
}
UNET: dict[str, Any] = {
    "sample_size": LATENT,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [64, 96, 128, 128],
    "layers_per_block": 2,
    "cross_attention_dim": 128,
    "attention_head_dim": 2,
    "norm_num_groups": 16,
}
TEXT: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 128,
}
LIKED_CFG = 3.0
"""Scale of guidance at which its pictures look best; others' mostly at 7."""
NOTE = f"is made of the reference model: its own ControlNets steer it, and CFG is {LIKED_CFG:g} unless another is given"
_KEY = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"


def is_reference(shapes: Shapes) -> bool:
    """Whether a UNet or ControlNet with diffusers' names is of the reference model's structure."""
    widths = list(UNET["block_out_channels"])
    context = shapes.get(_KEY, (0, 0))[-1]
    return context == UNET["cross_attention_dim"] and _list_widths(shapes, "down_blocks") == widths


def complete_unet(shapes: Shapes) -> dict[str, Any]:
    """Arguments of its UNet that shapes do not say; empty for another model."""
    names = ("attention_head_dim", "norm_num_groups", "sample_size")
    return {name: UNET[name] for name in names} if is_reference(shapes) else {}


def complete_vae(shapes: Shapes) -> dict[str, Any]:
    """Arguments of its VAE that shapes do not say; empty for another one."""
    own = list(VAE["block_out_channels"])
    names = ("norm_num_groups", "sample_size", "scaling_factor")
    found = _list_widths(shapes, "encoder.down_blocks")
    return {name: VAE[name] for name in names} if found == own else {}


def complete_text_encoder(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of its text encoder that shapes do not say; empty for another one. config: what they do say."""
    own = describe_text(config["vocab_size"])
    same = all(config[name] == own[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    return {name: own[name] for name in ("num_attention_heads", "pad_token_id")} if same else {}


def _list_widths(shapes: Shapes, blocks: str) -> list[int]:
    levels = {name.removeprefix(f"{blocks}.").split(".")[0] for name in shapes if name.startswith(f"{blocks}.")}
    return [shapes.get(f"{blocks}.{level}.resnets.0.conv1.weight", (0,))[0] for level in range(len(levels))]


def describe_text(vocabulary: int) -> dict[str, Any]:
    """Arguments of the text encoder's configuration for so many tokens."""
    tokens = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    return {"vocab_size": vocabulary, **TEXT, **tokens}
