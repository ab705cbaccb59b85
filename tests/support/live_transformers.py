"""Small transformers of diffusers' own classes, random, with a question for each and the pipeline that loads LoRAs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_HEADS = {"num_attention_heads": 2, "attention_head_dim": 8}
_LATENT, _TOKENS, _WIDTH = 4, 5, 12
_FLUX = {
    **{**_HEADS, "in_channels": _LATENT, "num_layers": 2, "num_single_layers": 2, "joint_attention_dim": _WIDTH},
    "axes_dims_rope": (2, 2, 4),
}
_GUIDED = {**_FLUX, "guidance_embeds": True}
_WAN = {
    **{**_HEADS, "attention_head_dim": 12, "in_channels": _LATENT, "out_channels": _LATENT, "text_dim": _WIDTH},
    **{"freq_dim": 8, "ffn_dim": 32, "num_layers": 2, "rope_max_seq_len": 16},
}
_SANA = {
    **{**_HEADS, "in_channels": _LATENT, "out_channels": _LATENT, "num_layers": 2, "num_cross_attention_heads": 2},
    **{"cross_attention_head_dim": 8, "cross_attention_dim": 16, "caption_channels": _WIDTH, "sample_size": 4},
}
_COSMOS = {
    **{**_HEADS, "in_channels": _LATENT, "out_channels": _LATENT, "attention_head_dim": 12, "num_layers": 2},
    **{"text_embed_dim": _WIDTH, "adaln_lora_dim": 6, "max_size": (4, 8, 8), "extra_pos_embed_type": None},
    "concat_padding_mask": False,
}
_KREA = {
    **{**_HEADS, "in_channels": _LATENT, "num_layers": 2, "num_key_value_heads": 1, "intermediate_size": 24},
    **{"timestep_embed_dim": 8, "text_hidden_dim": _WIDTH, "num_text_layers": 3, "text_num_attention_heads": 2},
    **{"text_num_key_value_heads": 2, "text_intermediate_size": 20, "num_layerwise_text_blocks": 1},
    **{"num_refiner_text_blocks": 1, "axes_dims_rope": (2, 2, 4)},
}
_LUMINA = {
    **{"sample_size": 4, "in_channels": _LATENT, "hidden_size": 24, "num_layers": 2, "num_refiner_layers": 1},
    **{"num_attention_heads": 2, "num_kv_heads": 1, "multiple_of": 4, "axes_dim_rope": (4, 4, 4)},
    **{"axes_lens": (16, 16, 16), "cap_feat_dim": _WIDTH},
}
_Z_IMAGE = {
    **{"in_channels": _LATENT, "dim": 16, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2},
    **{"cap_feat_dim": _WIDTH, "axes_dims": [2, 2, 4], "axes_lens": [64, 16, 16]},
}
_HUNYUAN = {
    **{**_HEADS, "in_channels": _LATENT, "out_channels": _LATENT, "num_layers": 2, "num_single_layers": 2},
    **{"num_refiner_layers": 1, "text_embed_dim": _WIDTH, "pooled_projection_dim": 6, "rope_axes_dim": (2, 2, 4)},
}
_LTX = {
    **{**_HEADS, "in_channels": _LATENT, "out_channels": _LATENT, "cross_attention_dim": 16, "num_layers": 2},
    "caption_channels": _WIDTH,
}
_SD3 = {
    **{**_HEADS, "sample_size": 4, "in_channels": _LATENT, "out_channels": _LATENT, "num_layers": 2},
    **{"joint_attention_dim": _WIDTH, "caption_projection_dim": 16, "pooled_projection_dim": 6},
    **{"pos_embed_max_size": 8, "qk_norm": "rms_norm", "dual_attention_layers": (0,)},
}
_AURA = {
    **{**_HEADS, "sample_size": 4, "in_channels": _LATENT, "out_channels": _LATENT, "num_mmdit_layers": 2},
    **{"num_single_dit_layers": 2, "joint_attention_dim": _WIDTH, "caption_projection_dim": 16},
    "pos_embed_max_size": 16,
}
_ERNIE = {
    **{"hidden_size": 16, "num_attention_heads": 2, "num_layers": 2, "ffn_hidden_size": 24, "in_channels": _LATENT},
    **{"out_channels": _LATENT, "text_in_dim": _WIDTH, "rope_axes_dim": (2, 2, 4)},
}
_PIXART = {
    **{**_HEADS, "in_channels": _LATENT, "out_channels": 8, "num_layers": 2, "cross_attention_dim": 16},
    **{"sample_size": 4, "caption_channels": _WIDTH, "use_additional_conditions": False},
}
_QWEN = {
    **{**_HEADS, "in_channels": _LATENT, "out_channels": 2, "num_layers": 2, "joint_attention_dim": _WIDTH},
    "axes_dims_rope": (2, 2, 4),
}
Inputs = dict[str, Any]


def _draw(*shape: int) -> Tensor:
    return torch.randn(shape)


def _flux(**more: Any) -> Inputs:
    places = {"img_ids": torch.zeros(4, 3), "txt_ids": torch.zeros(_TOKENS, 3)}
    places["img_ids"][:, 1] = torch.arange(4)
    text = {"encoder_hidden_states": _draw(1, _TOKENS, _WIDTH), "timestep": torch.tensor([0.5])}
    return {"hidden_states": _draw(1, 4, _LATENT), **text, **places, **more}


def _flux1() -> Inputs:
    return _flux(pooled_projections=_draw(1, 6), guidance=torch.tensor([3.0]))


def _flux2() -> Inputs:
    places = {"img_ids": torch.zeros(4, 4), "txt_ids": torch.zeros(_TOKENS, 4)}
    return _flux(guidance=torch.tensor([3.0]), **places)


def _picture(*frames: int, time: float = 7.0, **more: object) -> Inputs:
    text = {"encoder_hidden_states": _draw(1, _TOKENS, _WIDTH), "timestep": torch.tensor([time])}
    return {"hidden_states": _draw(1, _LATENT, *frames, 4, 4), **text, **more}


def _sd3() -> Inputs:
    return _picture(pooled_projections=_draw(1, 6))


def _wan() -> Inputs:
    return _picture(1)


def _wan_picture() -> Inputs:
    return _picture(1, encoder_hidden_states_image=_draw(1, 3, 10))


def _cosmos() -> Inputs:
    return _picture(1, time=0.5)


def _hunyuan() -> Inputs:
    asked = _picture(1, encoder_attention_mask=torch.ones(1, _TOKENS), pooled_projections=_draw(1, 6))
    return {**asked, "guidance": torch.tensor([3.0])}


def _masked() -> Inputs:
    return _picture(time=0.5, encoder_attention_mask=torch.ones(1, _TOKENS, dtype=torch.bool))


def _pixart() -> Inputs:
    return _picture(added_cond_kwargs={"resolution": None, "aspect_ratio": None})


def _qwen() -> Inputs:
    mask, size = torch.ones(1, _TOKENS, dtype=torch.bool), [(1, 2, 2)]
    text = {"encoder_hidden_states": _draw(1, _TOKENS, _WIDTH), "encoder_hidden_states_mask": mask}
    return {"hidden_states": _draw(1, 4, _LATENT), **text, "timestep": torch.tensor([0.5]), "img_shapes": size}


def _z_image() -> Inputs:
    return {"x": [_draw(_LATENT, 1, 4, 4)], "t": torch.tensor([0.5]), "cap_feats": [_draw(_TOKENS, _WIDTH)]}


def _ltx() -> Inputs:
    text = {"encoder_hidden_states": _draw(1, _TOKENS, _WIDTH), "encoder_attention_mask": torch.ones(1, _TOKENS)}
    size = {"num_frames": 1, "height": 2, "width": 2, "timestep": torch.tensor([7.0])}
    return {"hidden_states": _draw(1, 4, _LATENT), **text, **size}


def _krea() -> Inputs:
    places = torch.zeros(_TOKENS + 4, 3)
    text = {"encoder_hidden_states": _draw(1, _TOKENS, 3, _WIDTH), "position_ids": places}
    return {"hidden_states": _draw(1, 4, _LATENT), **text, "timestep": torch.tensor([0.5])}


def _ernie() -> Inputs:
    text = {"text_bth": _draw(1, _TOKENS, _WIDTH), "text_lens": torch.tensor([_TOKENS])}
    return {"hidden_states": _draw(1, _LATENT, 4, 4), "timestep": torch.tensor([7.0]), **text}


@dataclass(frozen=True)
class Live:
    """A model of diffusers. loader: class that loads LoRAs for its pipelines, where there is one."""

    architecture: str
    model_class: str
    config: dict[str, Any]
    inputs: Callable[[], Inputs]
    loader: str


LIVE = {
    "flux1": Live("flux1", "FluxTransformer2DModel", {**_GUIDED, "pooled_projection_dim": 6}, _flux1, "Flux"),
    "chroma": Live(
        "chroma",
        "ChromaTransformer2DModel",
        {**_FLUX, "approximator_num_channels": 8, "approximator_hidden_dim": 16, "approximator_layers": 2},
        _flux,
        "Flux",
    ),
    "flux2": Live(
        "flux2",
        "Flux2Transformer2DModel",
        {**_GUIDED, "axes_dims_rope": (2, 2, 2, 2), "timestep_guidance_channels": 8},
        _flux2,
        "Flux2",
    ),
    "sd3": Live("sd3", "SD3Transformer2DModel", _SD3, _sd3, "SD3"),
    "qwen_image": Live("qwen_image", "QwenImageTransformer2DModel", _QWEN, _qwen, "QwenImage"),
    "z_image": Live("z_image", "ZImageTransformer2DModel", _Z_IMAGE, _z_image, "ZImage"),
    "wan": Live("wan", "WanTransformer3DModel", _WAN, _wan, "Wan"),
    "wan from pictures": Live(
        "wan", "WanTransformer3DModel", {**_WAN, "image_dim": 10, "added_kv_proj_dim": 24}, _wan_picture, "Wan"
    ),
    "anima": Live("anima", "CosmosTransformer3DModel", _COSMOS, _cosmos, "Anima"),
    "krea2": Live("krea2", "Krea2Transformer2DModel", _KREA, _krea, "Krea2"),
    "lumina2": Live("lumina2", "Lumina2Transformer2DModel", _LUMINA, _masked, "Lumina2"),
    "hunyuan_video": Live("hunyuan_video", "HunyuanVideoTransformer3DModel", _HUNYUAN, _hunyuan, "HunyuanVideo"),
    "ltx": Live("ltx", "LTXVideoTransformer3DModel", _LTX, _ltx, "LTXVideo"),
    "pixart": Live("pixart", "PixArtTransformer2DModel", _PIXART, _pixart, ""),
    "auraflow": Live("auraflow", "AuraFlowTransformer2DModel", _AURA, lambda: _picture(time=0.5), "AuraFlow"),
    "sana": Live("sana", "SanaTransformer2DModel", _SANA, _picture, "Sana"),
    "ernie": Live("ernie", "ErnieImageTransformer2DModel", _ERNIE, _ernie, "ErnieImage"),
}


def build(live: Live, **changes: Any) -> Any:
    """The model, small and random, with weights that keep its answers near one."""
    torch.manual_seed(0)
    model = getattr(importlib.import_module("diffusers"), live.model_class)(**{**live.config, **changes})
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape) * 0.2)
    return model.eval().requires_grad_(requires_grad=False)


def answer(model: Any, live: Live) -> Tensor:
    """What the model says to always the same question."""
    torch.manual_seed(1)
    said = model(**live.inputs(), return_dict=False)[0]
    return said[0] if isinstance(said, list) else said
