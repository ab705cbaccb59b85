"""Files that are no adapter for these models, recognised by name, so that the refusal can say what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import BadWeights
from ..modules.architectures import SDXL_PAIR, SUPPORTED, TRANSFORMER_MODELS, UNKNOWN
from ..modules.parts import PARTS
from .bundled_tokens import ENCODER_KEYS
from .dialects.base import split_key
from .other_models import find_other_model, list_encoder_owners

if TYPE_CHECKING:
    from .files import RawFile


Test = Callable[[frozenset[str]], bool]


class Kind(NamedTuple):
    """A kind of file: how it is recognised by its keys, what it is, what to do with it."""

    matches: Test
    what: str
    advice: str


def _exactly(*names: str) -> Test:
    def test(keys: frozenset[str]) -> bool:
        return keys == frozenset(names)

    return test


def _starts(*prefixes: str) -> Test:
    return lambda keys: any(key.startswith(prefixes) for key in keys)


def _has(name: str) -> Test:
    return lambda keys: name in keys


def _has_word(*words: str) -> Test:
    return lambda keys: any(word in key for key in keys for word in words)


def _only_of(*names: str) -> Test:
    return lambda keys: bool(keys) and keys <= frozenset(names)


def _numbers(keys: frozenset[str]) -> bool:
    return bool(keys & {"320", "640", "768", "1024", "1280"}) and not any("." in key for key in keys)


def _ranks(keys: frozenset[str]) -> bool:
    return any(key.endswith(".lora_A.0") for key in keys)


def _weights_of(*prefixes: str) -> Test:
    """Keys below a prefix that are plain weights, not parts of an adapter."""

    def plain(key: str) -> bool:
        own = key.startswith(prefixes) and key.endswith(".weight")
        return own and split_key(key) is None and "_lora." not in key

    return lambda keys: any(map(plain, keys))


_OTHER_CLASS = re.compile(r"Transformer(2D|3D)?Model|ControlNet|AutoencoderKL|ForCausalLM|T5|Llama|Qwen")
"""Classes of diffusers and transformers that no part of a model with a UNet is of."""
_ENCODER_CLASSES = frozenset(part.model_class for part in PARTS.values())
CHECKPOINT = ("model.diffusion_model.", "cond_stage_model.", "conditioner.", "first_stage_model.")
UNET = ("conv_in.", "down_blocks.", "time_embedding.", "input_blocks.")

KINDS = (
    Kind(_has("lora_controlnet"), "a Control-LoRA", "load it as a ControlNet"),
    Kind(_has_word("motion_modules", "temporal_transformer"), "a motion LoRA or module of AnimateDiff", "use it there"),
    Kind(_starts("lllite_"), "a ControlNet-LLLite", "load it as a ControlNet"),
    Kind(_starts("ip_adapter.", "image_proj."), "an IP-Adapter", "load it with its own node or extension"),
    Kind(
        _starts("control_model.", "controlnet_cond_embedding.", "controlnet_down_blocks.", "input_hint_block."),
        "a ControlNet",
        "load it as one",
    ),
    Kind(_starts("adapter.body.", "body.0.block1."), "a T2I-Adapter", "load it as a ControlNet"),
    Kind(_starts("lora_prior_"), "a LoRA for Stable Cascade", "Stable Cascade is not supported"),
    Kind(_ranks, "a raw DyLoRA", "export it to LoRA with its trainer first"),
    Kind(_weights_of(*CHECKPOINT), "a full checkpoint", "move it to the folder of checkpoints"),
    Kind(
        _weights_of(*UNET),
        "a whole UNet",
        "load it as a model; `underdrawing lora extract` makes a LoRA from two of them",
    ),
    Kind(_starts("string_to_param", "emb_params"), "an embedding", "load it as one"),
    Kind(_exactly(*SDXL_PAIR), "an SDXL embedding", "load it as one"),
    Kind(_only_of(*ENCODER_KEYS), "an embedding", "load it as one"),
    Kind(_weights_of("encoder.", "decoder."), "a VAE", "load it as one"),
    Kind(_weights_of("text_model.", "encoder.layers."), "a text encoder", "load it as one"),
    Kind(_weights_of("model.", "body.", "conv_first."), "an upscaler or another model", "load it as one"),
    Kind(_numbers, "a hypernetwork", "hypernetworks are not supported"),
)

_NAME_MODEL = (
    'name the model in the header ("modelspec.architecture": "flux-1-dev", "sd3", ...), or keep the denoiser in it'
)


def refuse_foreign(file: RawFile) -> None:
    """Raise BadWeights when the file is something else than an adapter for a supported base model."""
    keys = frozenset([*file.tensors, *file.rest])
    for kind in KINDS:
        if kind.matches(keys):
            _refuse(file, kind.what, kind.advice)
    other = find_other_model(file.tensors, file.metadata) if file.architecture == UNKNOWN else None
    if other is not None and (owners := list_encoder_owners(other)):
        what = f"is a LoRA for {other} alone, and several models have such a one ({', '.join(owners)})"
        raise BadWeights(what, where=str(file.path), fix=_NAME_MODEL)
    if other is not None:
        fix = f"use a LoRA for {SUPPORTED}, or for {', '.join(model.title for model in TRANSFORMER_MODELS.values())}"
        raise BadWeights(f"is a LoRA for {other}, which is not offered here", where=str(file.path), fix=fix)
    named = (file.config.get("auto_mapping") or {}) if isinstance(file.config.get("auto_mapping"), dict) else {}
    owner = str(named.get("base_model_class", ""))
    known = file.architecture != UNKNOWN or owner in _ENCODER_CLASSES
    if _OTHER_CLASS.search(owner) and not (known and "ControlNet" not in owner):
        _refuse(file, f"a PEFT adapter for {owner[:60]}", f"use one for {SUPPORTED}")


def _refuse(file: RawFile, what: str, advice: str) -> None:
    raise BadWeights(f"is {what}, not a LoRA-family adapter for {SUPPORTED}", where=str(file.path), fix=advice)
