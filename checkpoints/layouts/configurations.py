"""Configurations of networks, read off the shapes of their weights; what shapes do not say follows from the family.

Source: the documented arguments of diffusers' and transformers' classes, and the papers' numbers of heads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from ...core.errors import BadWeights
from .reference_shape import complete_text_encoder, complete_unet, complete_vae

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Shapes = Mapping[str, tuple[int, ...]]

Family = Literal["sd1", "sd2", "sdxl", "sdxl_refiner"]
Prediction = Literal["epsilon", "v_prediction"]
HEAD = 64
"""Width of an attention head of all but SD1, which has 8 heads at every width."""
SCALING_FACTORS: dict[Family, float] = {"sd1": 0.18215, "sd2": 0.18215, "sdxl": 0.13025, "sdxl_refiner": 0.13025}
"""From the VAE's latents to the UNet's."""
IDS: dict[Family, int] = {"sdxl": 6, "sdxl_refiner": 5}
"""Numbers that SDXL's UNets get beside the text: sizes and crops, or sizes, a corner and the score."""
SD2_LAYERS = 23
"""Layers of SD2's text encoder that are used; its files hold one more."""
XL_LEVELS = 3
"""Levels of SDXL's UNet; its refiner has one more."""
ID_WIDTH = 256
WITHOUT_CONTEXT = 2048
"""Stands for the width of the text where no attention reads it: small ControlNets of SDXL."""


def find_family(shapes: Shapes) -> Family:
    """The base model that a UNet or ControlNet with diffusers' names is (for)."""
    if any(name.startswith("add_embedding.linear_1.") for name in shapes):
        levels = {name.split(".")[1] for name in shapes if name.startswith("down_blocks.")}
        return "sdxl" if len(levels) == XL_LEVELS else "sdxl_refiner"
    linear = any(len(shape) == 2 for name, shape in shapes.items() if name.endswith(".proj_in.weight"))
    return "sd2" if linear else "sd1"


def configure_unet(shapes: Shapes, family: Family) -> dict[str, Any]:
    """Arguments of a UNet2DConditionModel with such weights. Raises BadWeights for what is none."""
    depths_up = _measure_depths(shapes, "up")
    config = configure_backbone(shapes, family)
    depths_down = config["transformer_layers_per_block"]
    ups = ["CrossAttnUpBlock2D" if any(_to_list(depth)) else "UpBlock2D" for depth in depths_up]
    own: dict[str, Any] = {"out_channels": _find(shapes, "conv_out.weight")[0], "up_block_types": ups}
    if list(reversed(depths_up)) != depths_down:
        own["reverse_transformer_layers_per_block"] = [depth or 1 for depth in depths_up]
    if not _count(shapes, r"mid_block\.attentions\.(\d+)\."):
        own["mid_block_type"] = "UNetMidBlock2D"
    config["transformer_layers_per_block"] = [depth or 1 for depth in depths_down]
    if family == "sd2":
        own["upcast_attention"] = True
    return config | own | complete_unet(shapes)


def configure_backbone(shapes: Shapes, family: Family) -> dict[str, Any]:
    """Arguments that UNets and ControlNets share."""
    levels = _count(shapes, r"down_blocks\.(\d+)\.")
    widths = [_find(shapes, f"down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels)]
    depths = _measure_depths(shapes, "down")
    last = _count(shapes, r"mid_block\.attentions\.0\.transformer_blocks\.(\d+)\.")
    if last and not depths[-1]:
        depths[-1] = last  # the middle block takes the number of the last level, whose blocks have none
    downs = _list_attending(shapes, levels)
    config: dict[str, Any] = {
        "in_channels": _find(shapes, "conv_in.weight")[1],
        "block_out_channels": widths,
        "layers_per_block": _count(shapes, r"down_blocks\.0\.resnets\.(\d+)\."),
        "down_block_types": ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in downs],
        "transformer_layers_per_block": depths,
        "cross_attention_dim": find_context(shapes) or WITHOUT_CONTEXT,
        "attention_head_dim": 8 if family == "sd1" else [max(1, width // HEAD) for width in widths],
        "use_linear_projection": uses_linear(shapes),
    }
    if (added := shapes.get("add_embedding.linear_1.weight")) is not None:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": ID_WIDTH,
            "projection_class_embeddings_input_dim": added[1],
        }
    if (condition := shapes.get("time_embedding.cond_proj.weight")) is not None:
        config["time_cond_proj_dim"] = condition[1]
    return config


def configure_controlnet(shapes: Shapes, family: Family) -> dict[str, Any]:
    """Arguments of a ControlNetModel."""
    config = configure_backbone(shapes, family)
    config["transformer_layers_per_block"] = [depth or 1 for depth in config["transformer_layers_per_block"]]
    if not _count(shapes, r"mid_block\.attentions\.(\d+)\."):
        config["mid_block_type"] = "UNetMidBlock2D"
    channels = _find(shapes, "controlnet_cond_embedding.conv_in.weight")[1]
    config |= {name: value for name, value in complete_unet(shapes).items() if name != "sample_size"}
    return config | {"conditioning_embedding_out_channels": list_hint_widths(shapes), "conditioning_channels": channels}


def list_hint_widths(shapes: Shapes) -> list[int]:
    """Channels of a ControlNet's map reader, level by level."""
    blocks = _count(shapes, r"controlnet_cond_embedding\.blocks\.(\d+)\.")
    found = [_find(shapes, f"controlnet_cond_embedding.blocks.{index}.weight")[1] for index in range(0, blocks, 2)]
    return [*found, _find(shapes, "controlnet_cond_embedding.conv_out.weight")[1]]


def configure_union(shapes: Shapes, family: Family) -> dict[str, Any]:
    """Arguments of a ControlNetUnionModel."""
    kinds, width = _find(shapes, "task_embedding")
    return configure_controlnet(shapes, family) | {
        "num_control_type": kinds,
        "num_trans_channel": width,
        "num_trans_head": 8 if width % 8 == 0 and width >= 8 * 40 else 1,
        "num_trans_layer": _count(shapes, r"transformer_layes\.(\d+)\."),
        "num_proj_channel": _find(shapes, "spatial_ch_projs.weight")[0],
    }


def configure_vae(shapes: Shapes, scaling_factor: float) -> dict[str, Any]:
    """Arguments of an AutoencoderKL."""
    levels = _count(shapes, r"encoder\.down_blocks\.(\d+)\.")
    widths = [_find(shapes, f"encoder.down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels)]
    return {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": widths,
        "layers_per_block": _count(shapes, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        "latent_channels": _find(shapes, "decoder.conv_in.weight")[1],
        "scaling_factor": scaling_factor,
        **complete_vae(shapes),
    }


def configure_text_encoder(shapes: Shapes, *, openclip: bool) -> dict[str, Any]:
    """Arguments of a CLIPTextConfig. openclip: for one of OpenCLIP, whose activation is another than CLIP's."""
    vocabulary, width = _find(shapes, "embeddings.token_embedding.weight")
    projection = shapes.get("text_projection.weight", (width,))[0]
    config = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": _find(shapes, "encoder.layers.0.mlp.fc1.weight")[0],
        "projection_dim": projection,
        "num_hidden_layers": _count(shapes, r"encoder\.layers\.(\d+)\."),
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": _find(shapes, "embeddings.position_embedding.weight")[0],
        "hidden_act": "gelu" if openclip else "quick_gelu",
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 1,
    }
    return config | complete_text_encoder(config)


def find_context(shapes: Shapes) -> int | None:
    """Width of the text encoding that cross attention reads; None without cross attention."""
    return next((shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight")), None)


def uses_linear(shapes: Shapes) -> bool:
    """Whether attention is entered through linear layers, as from SD2 on."""
    return any(len(shape) == 2 for name, shape in shapes.items() if name.endswith(".proj_in.weight"))


def _measure_depths(shapes: Shapes, side: str) -> list[Any]:
    """Transformer blocks of each level: a number, or a list where its attentions differ; 0 without attention."""
    levels: list[Any] = []
    for level in range(_count(shapes, rf"{side}_blocks\.(\d+)\.")):
        block = rf"{side}_blocks\.{level}\.attentions"
        counts = [
            _count(shapes, rf"{block}\.{index}\.transformer_blocks\.(\d+)\.")
            for index in range(_count(shapes, rf"{block}\.(\d+)\."))
        ]
        levels.append(0 if not counts else counts[0] if len(set(counts)) == 1 else counts)
    return levels


def _list_attending(shapes: Shapes, levels: int) -> list[bool]:
    return [any(name.startswith(f"down_blocks.{level}.attentions.") for name in shapes) for level in range(levels)]


def _to_list(depth: Any) -> list[int]:
    return depth if isinstance(depth, list) else [depth]


def _count(names: Iterable[str], pattern: str) -> int:
    """How many indices the pattern's group takes."""
    search = re.compile(pattern).match
    return 1 + max((int(match[1]) for name in names if (match := search(name))), default=-1)


def _find(shapes: Shapes, name: str) -> tuple[int, ...]:
    if name not in shapes:
        raise BadWeights(f"the key {name!r} is missing", fix="download the file again, or use another one")
    return shapes[name]
