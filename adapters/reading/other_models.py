"""Which base model without a UNet a file is for: one that the tables know, or one that is not offered, by its name.

Those without a table are known by names of modules that no other has, and where models share them, by their width.
Names are compared with underscores for dots, behind the prefixes that trainers write. Facts: the classes of the models
in diffusers, and what OneTrainer, ai-toolkit, musubi-tuner, sd-scripts and ComfyUI write.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..modules.architectures import TRANSFORMER_MODELS
from ..modules.language_models import T5, LanguageModel
from .recognition import UNET_NAMES, Recognition, read_hint, recognise_model, strip_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

_WIDTH = re.compile(
    r"(to_[qkv]|qkv|q_proj|w[qkv]|add_[qkv]_proj|_attn_q|attn.proj|linear1)\W?\w*\W.*(down|lora_A|w[12]_b|diff$)"
)


class _Sign(NamedTuple):
    """A pattern that some key's name matches, and the model. widths: of attention's input, where names are shared;
    lacks: a pattern that no name matches."""

    pattern: str
    model: str
    widths: tuple[int, ...] = ()
    lacks: str = ""


SIGNS = (
    _Sign(r"(double|single)_stream_blocks_\d", "HiDream"),
    _Sign(r"^(text|visual)_transformer_blocks_\d", "Kandinsky 5"),
    _Sign(r"Wqkv|kv_proj|skip_linear", "HunyuanDiT"),
    _Sign(r"audio_attn|audio_to_video|video_to_audio|av_ca_", "LTX-2"),
    _Sign(r"lyric_|speaker_embedder|(^|_)layers_\d+_cross_attn_[qkvo]_proj", "ACE-Step"),
    _Sign(r"double_blocks_\d+_(img|txt)_attn_[qkv](_(?!norm)|$)", "HunyuanVideo 1.5 or HunyuanImage 2.1"),
    _Sign(r"ref_image_refiner", "OmniGen 2"),
    _Sign(r"layers_\d+_(attention_o(_|$)|adaln_modulation)", "Ideogram 4"),
    _Sign(r"^(nerf_|img_in_patch)", "Chroma Radiance"),
    _Sign(r"^(time_condition_embed|patch_embed_text_proj)", "CogView4"),
    _Sign(r"^(lora_)?prior_|^down_blocks_\d+_\d+_(attention|channelwise)", "Stable Cascade"),
)
"""Models without a table, by names that no other has."""
_WIDTHS = (
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "CogVideoX", (1920, 3072)),
    _Sign(r"^transformer_blocks_\d+_attn[12]_", "LTX-2", (4096,)),
    _Sign(r"^blocks_\d+_attn[12]_", "HunyuanDiT", (1408,)),
)
"""Models without a table whose names others have, by the width of attention's input.

Where a model with a table has that width, too, the header decides.
"""
_SHARED = (
    _Sign(r"^transformer_blocks_\d+_attn1_", "CogView4", (4096,), r"_attn2_|transformer_blocks_(2[89]|[3-9]\d)_"),
    _Sign(r"^transformer_blocks_\d+_attn1_", "CogView3 Plus", (2560,), "_attn2_"),
)
"""Models without a table whose layers fit a model with one, unless the header names that: CogView4's 28 blocks are as
wide as the 48 of LTX-Video 13B and have one attention in place of two."""
_ENCODERS = (
    _Sign(r"^(lora_te\d?_)?(model_)?layers_\d+_self_attn_[qkvo]_proj|language_model_", "a language model"),
    _Sign(r"^t5|t5xxl|SelfAttention|^lora_te3_", "a T5 text encoder"),
    _Sign(r"text_encoders_(qwen|llama|gemma|mistral)|^(qwen|llama|gemma)", "a language model"),
)
"""Text encoders of models with transformers, in files without a denoiser."""
_XLABS = re.compile(r"(double|single)_blocks_\d+_processor")
_HEADERS = (
    *(("hidream", "HiDream"), ("ideogram", "Ideogram 4"), ("kandinsky", "Kandinsky"), ("kolors", "Kolors")),
    *(("stable-cascade", "Stable Cascade"), ("wuerstchen", "Stable Cascade"), ("ltx2", "LTX-2"), ("ltx-2", "LTX-2")),
    *(("flux-3", "Flux.3"), ("flux3", "Flux.3")),
)


def find_transformer_model(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Recognition | None:
    """The base model of a file for one with a transformer whose layers are known; None for any other file."""
    if any(UNET_NAMES.search(key) for key in tensors):
        return None
    found = recognise_model(tensors, metadata)
    if _find_unsupported(tensors, metadata, found) is not None:
        return None
    if found is None and any(_XLABS.match(strip_prefix(key).replace(".", "_")) for key in tensors):
        return Recognition(_find_first())
    return found


def _find_first() -> str:
    """The model that comes first where names are shared."""
    return min(TRANSFORMER_MODELS, key=lambda name: TRANSFORMER_MODELS[name].rank)


def describe_model(tensors: Mapping[str, Tensor], found: Recognition | None) -> str:
    """What a file is for, or whose blocks its names are like, to stand behind "nothing is understood"."""
    if found is not None:
        return f" of a file for {TRANSFORMER_MODELS[found.architecture].title}"
    families = list_families(tensors)
    return f", though its blocks are called as those of {' or '.join(families[:4])}" if families else ""


def list_families(tensors: Mapping[str, Tensor]) -> list[str]:
    """Titles of the models whose blocks are called as those of a file, in which no layer is known."""
    names = [strip_prefix(key).replace(".", "_") for key in tensors]
    found = (
        (model.title, {name.partition(".#.")[0] for layer in model.transformer.layers for name in layer.originals})
        for model in TRANSFORMER_MODELS.values()
        if model.transformer is not None
    )
    return [
        title
        for title, blocks in found
        if any(re.match(rf"{block.replace('.', '_')}_\d", name) for block in blocks if block for name in names)
    ]


def find_other_model(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str | None:
    """Name of a base model without a UNet that the keys or the header are of; None for a file of a UNet."""
    if any(UNET_NAMES.search(key) for key in tensors):
        return None
    if (unsupported := find_unsupported(tensors, metadata)) is not None:
        return unsupported
    if (found := recognise_model(tensors, metadata)) is not None:
        return found.name
    names = [strip_prefix(key).replace(".", "_") for key in tensors]
    if any(map(_XLABS.match, names)):
        return TRANSFORMER_MODELS[_find_first()].title
    return next((sign.model for sign in _ENCODERS if _any(sign.pattern, names)), None)


def list_encoder_owners(what: str) -> list[str]:
    """Titles of the models with a text encoder that stands for the model in `find_other_model`; empty for a model."""
    kinds = {sign.model for sign in _ENCODERS}
    return [
        model.title
        for model in TRANSFORMER_MODELS.values()
        for network in model.networks.values()
        if what in kinds and isinstance(network, LanguageModel) and isinstance(network, T5) == ("T5" in what)
    ]


def find_unsupported(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str | None:
    """Name of a model that no table of layers stands for, which the keys or else the header are of; None for others."""
    if any(UNET_NAMES.search(key) for key in tensors):
        return None
    return _find_unsupported(tensors, metadata, recognise_model(tensors, {}))


def _find_unsupported(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], found: Recognition | None
) -> str | None:
    names = [strip_prefix(key).replace(".", "_") for key in tensors]
    told, fits, widths = _read_header(metadata), found is not None and found.fits > 0, _list_widths(tensors)
    for sign in SIGNS:
        if _any(sign.pattern, names):
            return told or sign.model
    for sign in _SHARED if not read_hint(metadata) else ():
        if widths & set(sign.widths) and _any(sign.pattern, names) and not _any(sign.lacks, names):
            return sign.model
    for sign in _WIDTHS:
        if (not fits or told == sign.model) and widths & set(sign.widths) and _any(sign.pattern, names):
            return sign.model
    return told if found is None else None


def _any(pattern: str, names: Iterable[str]) -> bool:
    search = re.compile(pattern).search
    return any(search(name) for name in names)


def _list_widths(tensors: Mapping[str, Tensor]) -> set[int]:
    """Inputs of attention layers."""
    return {tensor.shape[1] for key, tensor in tensors.items() if tensor.ndim >= 2 and _WIDTH.search(key)}


def _read_header(metadata: Mapping[str, str]) -> str | None:
    """A model without a table that the trainer names."""
    keys = ("modelspec.architecture", "ss_base_model_version")
    stated = [str(metadata.get(key, "")).lower() for key in keys]
    return next((model for start, model in _HEADERS if any(text.startswith(start) for text in stated)), None)
