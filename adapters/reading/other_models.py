"""Which other base model a LoRA is for, by the names of its modules and, where models share them, by their width.

Names are compared with underscores for dots, behind the prefixes that trainers write. Facts: the key lists of
the models' classes in diffusers, and what OneTrainer, ai-toolkit, musubi-tuner, sd-scripts and ComfyUI write.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..modules.architectures import TRANSFORMER_MODELS
from ..modules.parts import TRANSFORMER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

_PREFIX = re.compile(
    r"(lora_unet_|lora_transformer_|lycoris_|oft_unet_|base_model_model_|model_diffusion_model_|diffusion_model_|"
    r"transformer_(?!blocks)|unet_|net_|module__?|_?orig_mod_|dit_|model_(?!layers))"
)
_OWN = re.compile(r"(down|up|input|output)_blocks_\d|mid_block_|middle_block_")
_WIDTH = re.compile(
    r"(to_[qkv]|qkv|q_proj|w[qkv]|add_[qkv]_proj|_attn_q|attn.proj|linear1)\W?\w*\W.*(down|lora_A|w[12]_b|diff$)"
)
_BLOCK = re.compile(r"(?:^|_)(?:transformer_blocks|double_blocks)_(\d+)_")
_FLUX2, _CHROMA, _QWEN, _HUNYUAN = "Flux.2", "Chroma", "Qwen-Image", "HunyuanVideo"
_FLUX, _SD3, _ANIMA, _WAN = "Flux.1", "SD3", "Anima (Cosmos-Predict 2)", "Wan"


class _Sign(NamedTuple):
    """A pattern that some key's name matches, and the model; widths: of attention's input, where names are shared."""

    pattern: str
    model: str
    widths: tuple[int, ...] = ()


SIGNS = (
    _Sign(r"distilled_guidance_layer", _CHROMA),
    _Sign(r"(double|single)_stream_modulation|to_qkv_mlp_proj|_blocks_\d+_ff(_context)?_linear_(in|out)", _FLUX2),
    _Sign(r"joint_transformer_blocks_|double_layers_\d|single_layers_\d", "AuraFlow"),
    _Sign(r"(double|single)_stream_blocks_\d", "HiDream"),
    _Sign(r"token_refiner|img_attn_qkv!|(img|txt)_mlp_fc[12]|img_attn_q_norm", _HUNYUAN),
    _Sign(r"joint_blocks_\d", _SD3),
    _Sign(r"transformer_blocks_\d+_(img|txt)_(mlp|mod)", _QWEN),
    _Sign(r"adaln_modulation_(self_attn|cross_attn|mlp)|_mlp_layer[12]|llm_adapter", _ANIMA),
    _Sign(r"blocks_\d+_(self|cross)_attn_\w*_proj", _ANIMA),
    _Sign(r"^(text|visual)_transformer_blocks_\d", "Kandinsky 5"),
    _Sign(r"blocks_\d+_attn_w[qkvo]|^blocks_\d+_mlp_(up|gate|down)|text_fusion|txtfusion|txtmlp", "Krea 2"),
    _Sign(r"transformer_blocks_\d+_attn_to_gate", "Krea 2"),
    _Sign(r"blocks_\d+_(self|cross)_attn_([qkvo]|k_img|v_img)(_|$)|blocks_\d+_ffn|condition_embedder", _WAN),
    _Sign(r"Wqkv|kv_proj|skip_linear", "HunyuanDiT"),
    _Sign(r"audio_attn|audio_to_video|video_to_audio|av_ca_", "LTX-2"),
    _Sign(r"lyric_|speaker_embedder", "ACE-Step"),
    _Sign(r"ff_conv_(inverted|depth|point)|mlp_(inverted|point)_conv", "Sana"),
    _Sign(r"ref_image_refiner", "OmniGen 2"),
    _Sign(r"layers_\d+_(self_attention_|adaLN_sa_ln|mlp_(gate|up)_proj.*fc2|adaLN_mlp_ln)", "Ernie-Image"),
    _Sign(r"(layers|refiner)_\d+_(attention|feed_forward)_", "Lumina 2", (2304,)),
    _Sign(r"(layers|refiner)_\d+_(attention_|feed_forward_w[123])", "Z-Image"),
    _Sign(r"all_(x_embedder|final_layer)|cap_embedder", "Z-Image"),
    _Sign(r"(layers|refiner)_\d+_(attn_to_|feed_forward_)|time_caption_embed", "Lumina 2"),
    _Sign(r"^(lora_te\d?_)?(model_)?layers_\d+_self_attn_[qkvo]_proj|language_model_", "a language model"),
    _Sign(r"(double|single)_blocks_\d|(^|_)transformer_blocks_\d+_attn_", _FLUX2, (6144, 4096)),
    _Sign(r"(double|single)_blocks_\d|single_transformer_blocks_\d", _FLUX),
    _Sign(r"(^|_)transformer_blocks_\d+_attn_", _SD3, (1536, 2432)),
    _Sign(r"(^|_)transformer_blocks_(5[0-9]|4[0-9]|39|38)_attn_", _QWEN),
    _Sign(r"^transformer_blocks_\d+_(attn_|norm1_context|ff_context)",
          "Flux.1, SD3 or Qwen-Image"),
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "PixArt", (1152,)),
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "LTX-Video", (2048,)),
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "Sana", (2240,)),
    _Sign(r"^transformer_blocks_\d+_norm[123]_linear_[12]", _ANIMA),
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "LTX-2 or Anima", (4096,)),
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "CogVideoX", (1920, 3072)),
    _Sign(r"^transformer_blocks_\d+_(attn[12]|ff|norm)_?|adaln_single|caption_projection",
          "PixArt, LTX-Video, Sana or another transformer model"),
    _Sign(r"^blocks_\d+_attn[12]_", "HunyuanDiT", (1408,)),
    _Sign(r"^blocks_\d+_(attn[12]|cross_attn|self_attn)_", _WAN),
    _Sign(r"^t5|t5xxl|SelfAttention", "Flux.1 or SD3 (it holds a T5 text encoder)"),
    _Sign(r"text_encoders_(qwen|llama|gemma|mistral)|^(qwen|llama|gemma)", "a language model"),
    _Sign(r"time_text_embed|time_guidance_embed|^(x_embedder|context_embedder|img_in|txt_in|final_layer|proj_out)[._]",
          "Flux.1 or another transformer model"),
    _Sign(r"^(lora_)?prior_|^down_blocks_\d+_\d+_(attention|channelwise)", "Stable Cascade"),
)  # fmt: skip
_HEADERS = (
    *sorted(((start, m.title) for m in TRANSFORMER_MODELS.values() for start in m.trainer_names), reverse=True),
    *(("hidream", "HiDream"), ("ideogram", "Ideogram 4"), ("kandinsky", "Kandinsky"), ("kolors", "Kolors")),
    *(("stable-cascade", "Stable Cascade"), ("wuerstchen", "Stable Cascade")),
)


def find_other_model(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str | None:
    """Name of another base model that the keys or the header are of; None for a file that names modules of a UNet."""
    names = {key: _strip(key) for key in tensors}
    if any(_OWN.search(name) for name in names.values()):
        return None
    told = _read_header(metadata)
    widths = _list_widths(tensors)
    for sign in SIGNS:
        if (not sign.widths or widths & set(sign.widths)) and _any(sign.pattern, names.values()):
            return told if told and sign.model in (_FLUX, _FLUX2) else sign.model
    if any(key.startswith("lora_te3_") for key in tensors):
        return told or "Flux.1 or SD3 (it holds a T5 text encoder)"
    return told


def _strip(key: str) -> str:
    if "img_attn_qkv" in key and "." in key.partition("img_attn_qkv")[0]:
        return "img_attn_qkv!"  # one word in HunyuanVideo's dotted names, two in Flux'
    name = key.removeprefix("base_model.model.").removeprefix(f"{TRANSFORMER}.").replace(".", "_")
    while (found := _PREFIX.match(name)) is not None:
        name = name[found.end() :]
    return name


def _any(pattern: str, names: Iterable[str]) -> bool:
    search = re.compile(pattern).search
    return any(search(name) for name in names)


def _list_widths(tensors: Mapping[str, Tensor]) -> set[int]:
    """Inputs of attention layers."""
    return {tensor.shape[1] for key, tensor in tensors.items() if tensor.ndim >= 2 and _WIDTH.search(key)}


def _read_header(metadata: Mapping[str, str]) -> str | None:
    """Another base model that the trainer names."""
    keys = ("modelspec.architecture", "ss_base_model_version")
    stated = [str(metadata.get(key, "")).lower() for key in keys]
    return next((model for start, model in _HEADERS if any(text.startswith(start) for text in stated)), None)
