"""What stands in a diffusers folder beside weights: configurations of a model that was one file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET
from .configurations import (
    SCALING_FACTORS,
    configure_text_encoder,
    configure_unet,
    configure_vae,
)
from .folder_reader import CONFIG, INDEX
from .original import PREFIXES, VAE
from .tokenizers import describe_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .configurations import Family, Shapes
    from .prediction import Guess

_VERSION = "0.30.0"
"""Of diffusers, whose form the folder has."""
_ENCODERS = {TEXT_ENCODER: "CLIPTextModel", TEXT_ENCODER_2: "CLIPTextModelWithProjection"}
_PIPELINES: dict[Family, str] = {
    "sd1": "StableDiffusionPipeline",
    "sd2": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sdxl_refiner": "StableDiffusionXLImg2ImgPipeline",
}
_VARIANTS = {
    ("StableDiffusionPipeline", 9): "StableDiffusionInpaintPipeline",
    ("StableDiffusionPipeline", 8): "StableDiffusionInstructPix2PixPipeline",
    ("StableDiffusionXLPipeline", 9): "StableDiffusionXLInpaintPipeline",
    ("StableDiffusionXLPipeline", 8): "StableDiffusionXLInstructPix2PixPipeline",
}
"""Pipeline and inputs of the UNet → pipeline of a model with more inputs."""


def make_configs(family: Family, networks: Mapping[str, Shapes], guess: Guess) -> dict[str, bytes]:
    """Files of a folder by relative name. networks: shapes by part; guess: what the model predicts."""
    files = {f"{part}/{CONFIG}": _encode(_configure(part, family, shapes, guess)) for part, shapes in networks.items()}
    files[INDEX] = _encode(_make_index(family, networks))
    files["scheduler/scheduler_config.json"] = _encode(_make_scheduler(family, guess))
    for part in PREFIXES[family]:
        if part in _ENCODERS and part in networks:
            openclip = part == TEXT_ENCODER_2 or family == "sd2"
            folder = part.replace(TEXT_ENCODER, "tokenizer")
            files |= {f"{folder}/{name}": text for name, text in describe_tokenizer(openclip=openclip).items()}
    return files


def _configure(part: str, family: Family, shapes: Shapes, guess: Guess) -> dict[str, Any]:
    if part == UNET:
        side = 128 if family == "sdxl" else 96 if family != "sd1" and guess.prediction == "v_prediction" else 64
        return _name_class("UNet2DConditionModel") | configure_unet(shapes, family) | {"sample_size": side}
    if part == VAE:
        found = configure_vae(shapes, SCALING_FACTORS[family])
        return _name_class("AutoencoderKL") | found | {"sample_size": 1024 if family.startswith("sdxl") else 512}
    openclip = part == TEXT_ENCODER_2 or family == "sd2"
    plain = {name.removeprefix("text_model."): shape for name, shape in shapes.items()}
    found = configure_text_encoder(plain, openclip=openclip)
    return {"architectures": [_ENCODERS[part]], "model_type": "clip_text_model", **found}


def _make_index(family: Family, networks: Mapping[str, Shapes]) -> dict[str, Any]:
    pipeline = _PIPELINES[family]
    channels = networks[UNET]["conv_in.weight"][1] if UNET in networks else 4
    found = _name_class(_VARIANTS.get((pipeline, channels), pipeline))
    found |= {"scheduler": ["diffusers", _find_scheduler(family)]}
    for part, library, kind in ((UNET, "diffusers", "UNet2DConditionModel"), (VAE, "diffusers", "AutoencoderKL")):
        found[part] = [library, kind] if part in networks else [None, None]
    xl = family.startswith("sdxl")
    for part, kind in _ENCODERS.items() if xl else ((TEXT_ENCODER, _ENCODERS[TEXT_ENCODER]),):
        there = part in networks
        found[part] = ["transformers", kind] if there else [None, None]
        found[part.replace(TEXT_ENCODER, "tokenizer")] = ["transformers", "CLIPTokenizer"] if there else [None, None]
    if xl:
        refines = family == "sdxl_refiner"
        return (
            found
            | {"force_zeros_for_empty_prompt": not refines}
            | ({"requires_aesthetics_score": True} if refines else {})
        )
    nothing = {name: [None, None] for name in ("feature_extractor", "image_encoder", "safety_checker")}
    return found | nothing | {"requires_safety_checker": False}


def _make_scheduler(family: Family, guess: Guess) -> dict[str, Any]:
    own = {"clip_sample": False, "set_alpha_to_one": False} if _find_scheduler(family) == "DDIMScheduler" else {}
    snr = {"rescale_betas_zero_snr": True} if guess.zero_snr else {}
    return {
        **_name_class(_find_scheduler(family)),
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": guess.prediction,
        "steps_offset": 1,
        "timestep_spacing": "trailing" if guess.zero_snr else "leading",
        **own,
        **snr,
    }


def _find_scheduler(family: Family) -> str:
    return "EulerDiscreteScheduler" if family.startswith("sdxl") else "DDIMScheduler"


def _name_class(name: str) -> dict[str, Any]:
    return {"_class_name": name, "_diffusers_version": _VERSION}


def _encode(config: Mapping[str, Any]) -> bytes:
    return json.dumps(config, indent=2).encode() + b"\n"
