"""The base models: their networks, and what else belongs to each, one declaration for each model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from .layers import TextEncoder, UNet
from .parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET, find_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .layers import Module, Network

SD15 = "sd15"
SD21 = "sd21"
SDXL = "sdxl"
SDXL_REFINER = "sdxl_refiner"
UNKNOWN = "unknown"
"""In place of an architecture that could not be found out."""


@dataclass(frozen=True)
class Architecture:
    """A base model.

    title: its name in messages. family: what it is counted to in lists of supported models. networks: by part, in the
    order of canonical names. trainer_names: how trainers begin its name in metadata. metadata: what A1111 recognises a
    LoRA's base model by. ldm_named: whether kohya's files name its UNet the LDM way, and block weights are numbered as
    SDXL's.
    """

    id: str
    title: str
    family: str
    networks: Mapping[str, Network]
    trainer_names: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    ldm_named: bool = False

    @property
    def encoders(self) -> dict[str, TextEncoder]:
        """CLIP text encoders by part."""
        return {part: network for part, network in self.networks.items() if isinstance(network, TextEncoder)}

    @property
    def context(self) -> int | None:
        """Width of the text encoding that the UNet's cross attention reads."""
        return next((network.context for network in self.networks.values() if isinstance(network, UNet)), None)


CLIP_L = TextEncoder("clip_l", 12, 768)
OPENCLIP_H = TextEncoder("clip_h", 23, 1024)
OPENCLIP_BIGG = TextEncoder("clip_g", 32, 1280, projection=True)

ARCHITECTURES: dict[str, Architecture] = {
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

_FAMILIES = tuple(dict.fromkeys(architecture.family for architecture in ARCHITECTURES.values()))
SUPPORTED = f"{', '.join(_FAMILIES[:-1])} or {_FAMILIES[-1]}"
"""The supported models for messages: "SD1, SD2 or SDXL"."""
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
    """Canonical name ("unet.…", "text_encoder.…", "text_encoder_2.…") → layer, by an id of ARCHITECTURES."""
    networks = ARCHITECTURES[architecture].networks.items()
    return {f"{part}.{name}": module for part, network in networks for name, module in network.modules().items()}


@cache
def find_official_unet() -> frozenset[str]:
    """Canonical names of the modules that the UNet of any of the models has."""
    return frozenset(name for known in ARCHITECTURES for name in list_modules(known) if find_part(name) == UNET)
