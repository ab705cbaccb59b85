"""What a file of weights is, by the names in it: so that a file in the wrong place is refused by its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ...adapters.reading.other_models import find_other_model
from ...core.errors import BadWeights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal[
    "checkpoint", "unet", "vae", "text_encoder", "controlnet", "union", "control_lora", "t2i",
    "lora", "embedding", "lllite", "t2i_style", "ip_adapter", "taesd", "other", "unknown",
]  # fmt: skip


class _Sign(NamedTuple):
    """A pattern that the start of some key matches, and what the file is then."""

    pattern: str
    kind: Kind


_SIGNS = (
    _Sign(r"lora_controlnet$", "control_lora"),
    _Sign(r"lllite_", "lllite"),
    _Sign(r"(lora|oft|lycoris)_(unet|te\d?|transformer|prior)_", "lora"),
    _Sign(r".*\.(lora_(down|up|A|B)\b|hada_w|lokr_w|oft_blocks)", "lora"),
    _Sign(r"(image_proj|ip_adapter)\.", "ip_adapter"),
    _Sign(r"(control_model\.)?(task_embedding|control_add_embedding\.)", "union"),
    _Sign(r"(control_model\.)?(zero_convs|input_hint_block|controlnet_(down_blocks|cond_embedding))\.", "controlnet"),
    _Sign(r"style_embedding|(style_model\.)?transformer_layes\.", "t2i_style"),
    _Sign(r"(adapter\.)?body\.\d+\.(in_conv|resnets|block1|body)\.", "t2i"),
    _Sign(r"(model\.diffusion_model\.input_blocks\.|model_ema\.diffusion_modelinput_blocks)", "checkpoint"),
    _Sign(r"(string_to_param|emb_params$|clip_[lg]$)", "embedding"),
    _Sign(r"(first_stage_model\.)?(encoder|decoder)\.(conv_in|mid|mid_block|conv_out)\.", "vae"),
    _Sign(r"((taesd_)?(en|de)coder\.)?(layers\.)?\d+\.(weight|conv\.)", "taesd"),
    _Sign(r"(unet\.)?(input_blocks|down_blocks)\.\d+\.", "unet"),
    _Sign(r"(text_model\.|transformer\.(text_model|resblocks)\.|text_projection|embeddings\.token)", "text_encoder"),
)  # fmt: skip
"""The first that fits some key counts; `checkpoint` before `vae`, which is part of one."""
_TITLES: dict[Kind, str] = {
    "checkpoint": "a whole checkpoint",
    "unet": "a UNet without text encoder and VAE",
    "vae": "a VAE",
    "text_encoder": "a text encoder",
    "controlnet": "a ControlNet",
    "union": "a union ControlNet",
    "control_lora": "a Control-LoRA",
    "t2i": "a T2I-adapter",
    "lora": "a LoRA",
    "embedding": "an embedding",
    "lllite": "a ControlNet-LLLite, which is not supported",
    "t2i_style": "a style T2I-adapter, which is not supported",
    "ip_adapter": "an IP-Adapter, which is not supported",
    "taesd": "a small preview VAE (TAESD)",
    "unknown": "no file of a known kind",
}
_PLACES: dict[Kind, str] = {
    "checkpoint": "as checkpoint",
    "vae": "as VAE",
    "controlnet": "as model of a control",
    "union": "as model of a control",
    "control_lora": "as model of a control",
    "t2i": "as model of a control",
    "lora": "in the prompt, <lora:name:1>",
    "embedding": "in the prompt, by its name",
}


def find_kind(names: Iterable[str]) -> Kind:
    """What a file with such keys is; "other" for a base model that is none of Stable Diffusion's."""
    every = list(names)
    for sign in _SIGNS:
        match = re.compile(sign.pattern).match
        if any(match(name) for name in every):
            return "other" if sign.kind in ("taesd", "text_encoder", "vae") and _find_other(every, {}) else sign.kind
    return "other" if _find_other(every, {}) else "unknown"


def build_kind_error(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], *, where: str, needed: str
) -> BadWeights:
    """The error for a file of another kind than what is needed ("a checkpoint"); it says what the file is."""
    kind = find_kind(shapes)
    if kind == "other":
        what = f"is a model of {_find_other(shapes, metadata, shapes)}, {needed} of Stable Diffusion is needed"
        return BadWeights(what, where=where, fix="choose a model of SD1, SD2 or SDXL")
    what = f"is {_TITLES[kind]}, {needed} is needed"
    fix = f"use it {_PLACES[kind]}, and choose {needed} here" if kind in _PLACES else f"choose {needed}"
    return BadWeights(what, where=where, fix=fix)


def _find_other(
    names: Iterable[str], metadata: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]] | None = None
) -> str | None:
    sizes = shapes or {}
    tensors = {name: torch.empty(sizes.get(name, ()), device="meta") for name in names}
    return find_other_model(tensors, metadata)
