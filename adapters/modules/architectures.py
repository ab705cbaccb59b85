"""The base models: their networks, and what else belongs to each, one declaration for each model."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from .architecture import Architecture
from .encoders import CLIP_L, OPENCLIP_BIGG, OPENCLIP_H
from .layers import UNet
from .parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET, find_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .layers import Module

SD15 = "sd15"
SD21 = "sd21"
SDXL = "sdxl"
SDXL_REFINER = "sdxl_refiner"
UNKNOWN = "unknown"
"""In place of an architecture that could not be found out."""

UNET_MODELS: dict[str, Architecture] = {
    architecture.id: architecture
    for architecture in (
        Architecture(
            SD15,
            title="SD 1.x",
            family="SD1",
            networks={UNET: UNet((320, 640, 1280, 1280), (1, 1, 1, 0), 768, linear=False), TEXT_ENCODER: CLIP_L},
            trainer_names=("sd_v1", "stable-diffusion-v1"),
            metadata={"ss_base_model_version": "sd_v1", "ss_v2": "False"},
        ),
        Architecture(
            SD21,
            title="SD 2.x",
            family="SD2",
            networks={UNET: UNet((320, 640, 1280, 1280), (1, 1, 1, 0), 1024), TEXT_ENCODER: OPENCLIP_H},
            trainer_names=("sd_v2", "stable-diffusion-v2"),
            metadata={"ss_base_model_version": "sd_v2", "ss_v2": "True"},
        ),
        Architecture(
            SDXL,
            title="SDXL",
            family="SDXL",
            networks={
                UNET: UNet((320, 640, 1280), (0, 2, 10), 2048, middle=10, added=2816),
                TEXT_ENCODER: CLIP_L,
                TEXT_ENCODER_2: OPENCLIP_BIGG,
            },
            trainer_names=("sdxl_", "stable-diffusion-xl"),
            metadata={"ss_base_model_version": "sdxl_base_v1-0", "ss_v2": "False"},
            ldm_named=True,
        ),
        Architecture(
            SDXL_REFINER,
            title="the SDXL refiner",
            family="SDXL",
            networks={
                UNET: UNet((384, 768, 1536, 1536), (0, 4, 4, 0), 1280, middle=4, added=2560),
                TEXT_ENCODER_2: OPENCLIP_BIGG,
            },
            trainer_names=("stable-diffusion-xl-v1-refiner",),
            metadata={"ss_base_model_version": "sdxl_base_v1-0", "ss_v2": "False"},
            ldm_named=True,
        ),
    )
}
"""The models that denoise with a UNet, by id."""


def _load_transformers() -> Iterator[Architecture]:
    package = importlib.import_module(".transformers", __package__)
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        declared = importlib.import_module(f".transformers.{module}", __package__)
        if isinstance(architecture := getattr(declared, "ARCHITECTURE", None), Architecture):
            yield architecture


TRANSFORMER_MODELS: dict[str, Architecture] = {architecture.id: architecture for architecture in _load_transformers()}
"""The models that denoise with a transformer: one file each in ``transformers/``."""
ARCHITECTURES: dict[str, Architecture] = {**UNET_MODELS, **TRANSFORMER_MODELS}
_FAMILIES = tuple(dict.fromkeys(architecture.family for architecture in UNET_MODELS.values()))
SUPPORTED = f"{', '.join(_FAMILIES[:-1])} or {_FAMILIES[-1]}"
"""The models that everything is offered for, for messages: "SD1, SD2 or SDXL"."""
CONTEXT_WIDTHS: dict[int, str] = {
    architecture.context: name for name, architecture in ARCHITECTURES.items() if architecture.context is not None
}
"""Width of the text encoding that cross attention reads → architecture."""
CLIPS: dict[str, str] = {
    encoder.clip: part for architecture in ARCHITECTURES.values() for part, encoder in architecture.encoders.items()
}
"""ComfyUI's name of a text encoder → part: "clip_l" → "text_encoder"."""
SDXL_PAIR: dict[str, str] = {encoder.clip: part for part, encoder in ARCHITECTURES[SDXL].encoders.items()}
"""Keys of SDXL's embedding files → part."""


@cache
def list_modules(architecture: str) -> dict[str, Module]:
    """Canonical name ("unet.…", "transformer.…", "text_encoder.…") → layer, by an id of ARCHITECTURES."""
    networks = ARCHITECTURES[architecture].networks.items()
    return {f"{part}.{name}": module for part, network in networks for name, module in network.modules().items()}


@cache
def find_official_unet() -> frozenset[str]:
    """Canonical names of the modules that the UNet of any of the models has."""
    return frozenset(name for known in UNET_MODELS for name in list_modules(known) if find_part(name) == UNET)
