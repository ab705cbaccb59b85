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
from .other_models import describe_model, find_other_model, list_encoder_owners
from .recognition import HEADER
from .trainers import find_trainer

if TYPE_CHECKING:
    from .files import RawFile


_EMBEDDING = "write its name into the prompt (ComfyUI: embedding:NAME); `underdrawing embedding inspect` reads it"
_ELSEWHERE = (
    f"load it with the LoRA loader of the program that runs that model; here are read LoRAs for {SUPPORTED}, and for "
    f"{', '.join(model.title for model in TRANSFORMER_MODELS.values())}"
)
"""What to do with a LoRA for another model."""
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


_BLOCK = re.compile(
    r"((model\.)?diffusion_model\.|transformer(_2)?\.|net\.)?"
    r"((single_|joint_)?transformer_blocks|(double|single|joint)_blocks|layers|blocks)\.\d+\..+\.weight"
)


def _is_transformer(keys: frozenset[str]) -> bool:
    """Whether there are weights of a transformer's blocks, and nothing of an adapter."""
    return any(map(_BLOCK.fullmatch, keys)) and not any(split_key(key) or "lora" in key for key in keys)


_OTHER_CLASS = re.compile(r"Transformer(2D|3D)?Model|ControlNet|AutoencoderKL|ForCausalLM|T5|Llama|Qwen")
"""Classes of diffusers and transformers that no part of a model with a UNet is of."""
_ENCODER_CLASSES = frozenset(part.model_class for part in PARTS.values())
CHECKPOINT = ("model.diffusion_model.", "cond_stage_model.", "conditioner.", "first_stage_model.")
TRANSFORMER_CONTROL = ("controlnet_x_embedder.", "controlnet_blocks.", "control_layers.", "controlnet_mode_embedder.")
UNET = ("conv_in.", "down_blocks.", "time_embedding.", "input_blocks.")

KINDS = (
    Kind(_has("lora_controlnet"), "a Control-LoRA", "load it as a ControlNet"),
    Kind(_has_word("motion_modules", "temporal_transformer"), "a motion LoRA or module of AnimateDiff", "use it there"),
    Kind(_starts("lllite_"), "a ControlNet-LLLite", "load it as a ControlNet"),
    Kind(
        _starts("ip_adapter.", "image_proj.", "ip_adapter_proj_model."),
        "an IP-Adapter",
        "load it with its own node or extension",
    ),
    Kind(
        _starts("control_model.", "controlnet_cond_embedding.", "controlnet_down_blocks.", "input_hint_block."),
        "a ControlNet",
        "load it as a ControlNet",
    ),
    Kind(_weights_of(*TRANSFORMER_CONTROL), "a ControlNet", "load it as a ControlNet"),
    Kind(_starts("adapter.body.", "body.0.block1."), "a T2I-Adapter", "load it as a ControlNet"),
    Kind(_starts("lora_prior_"), "a LoRA for Stable Cascade", _ELSEWHERE),
    Kind(_ranks, "a raw DyLoRA", "export it to LoRA with its trainer first"),
    Kind(_weights_of(*CHECKPOINT), "a full checkpoint", "move it to the folder of checkpoints"),
    Kind(
        _weights_of(*UNET),
        "a whole UNet",
        "load it as a model; `underdrawing lora extract` makes a LoRA from two of them",
    ),
    Kind(
        _is_transformer,
        "a whole transformer",
        "load it as a model; `underdrawing lora extract` makes a LoRA from two of them",
    ),
    Kind(_starts("string_to_param", "emb_params"), "an embedding", _EMBEDDING),
    Kind(_exactly(*SDXL_PAIR), "an SDXL embedding", _EMBEDDING),
    Kind(_only_of(*ENCODER_KEYS), "an embedding", _EMBEDDING),
    Kind(_weights_of("encoder.", "decoder."), "a VAE", "load it as a VAE"),
    Kind(_weights_of("text_model.", "encoder.layers."), "a text encoder", "load it as a text encoder"),
    Kind(
        _weights_of("model.", "body.", "conv_first."),
        "an upscaler or another model",
        "load it where such models are chosen",
    ),
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
        what = f"is a LoRA for {other}{_name_trainer(file)}; that model is not offered here"
        raise BadWeights(what, where=str(file.path), fix=_ELSEWHERE)
    named = (file.config.get("auto_mapping") or {}) if isinstance(file.config.get("auto_mapping"), dict) else {}
    owner = str(named.get("base_model_class", ""))
    known = file.architecture != UNKNOWN or owner in _ENCODER_CLASSES
    if _OTHER_CLASS.search(owner) and not (known and "ControlNet" not in owner):
        _refuse(file, f"a PEFT adapter for {owner[:60]}", f"use one for {SUPPORTED}")


def _refuse(file: RawFile, what: str, advice: str) -> None:
    more = "; that model is not offered here" if what.startswith("a LoRA for ") else ", not a LoRA-family adapter"
    raise BadWeights(f"is {what}{more}", where=str(file.path), fix=advice)


def _name_trainer(file: RawFile) -> str:
    trainer = find_trainer(file)
    return f", written by {trainer}" if trainer else ""


def make_unknown(file: RawFile, why: str) -> BadWeights:
    """The error for a file in which nothing is understood; why: what is the matter with its keys."""
    stated = next((str(file.metadata[name])[:60] for name in HEADER if file.metadata.get(name)), "")
    header = f", for {stated} by its header" if stated and file.recognition is None else ""
    what = f"nothing in it is understood{describe_model(file.tensors, file.recognition)}{header}{_name_trainer(file)}"
    is_adapter = file.recognition is None and any(map(split_key, file.tensors))
    elsewhere = f"if it is a LoRA, {_ELSEWHERE.replace('that model', 'its model')}"
    fix = elsewhere if is_adapter else "check what kind of file it is"
    return BadWeights(f"{what} ({why})", where=str(file.path), fix=fix)
