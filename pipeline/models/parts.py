"""Networks of a base model from their weights, and what belongs to each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ...adapters.modules.architectures import SD15, SD21, SDXL, SDXL_REFINER
from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2
from ...checkpoints.layouts.configurations import (
    SD2_LAYERS,
    configure_text_encoder,
    configure_unet,
    configure_vae,
)
from ...core.errors import BadWeights
from .assembly import assemble, measure_slots
from .libraries import find_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...adapters.modules.targets import Slot
    from ...checkpoints.layouts.reading import Weights
    from ...core.networks.placement import Placement
    from .model import Family

    Slots = Mapping[str, Slot]
    Built = tuple[Any, set[str]]

VAE = "vae"
ENCODERS: dict[Family, tuple[str, ...]] = {
    "sd1": (TEXT_ENCODER,),
    "sd2": (TEXT_ENCODER,),
    "sdxl": (TEXT_ENCODER, TEXT_ENCODER_2),
    "sdxl_refiner": (TEXT_ENCODER_2,),
}
"""Text encoders of a base model."""
BASE_MODELS: dict[Family, str] = {"sd1": SD15, "sd2": SD21, "sdxl": SDXL, "sdxl_refiner": SDXL_REFINER}
"""Ids of `ARCHITECTURES`."""
TITLES: dict[Family, str] = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL", "sdxl_refiner": "the SDXL refiner"}
_OTHER_INPUTS = {
    5: "a depth-to-image model, which also reads a depth map",
    7: "an upscaler, which also reads a small picture",
    8: "InstructPix2Pix, which also reads the picture that it edits",
}
"""Channels of the UNet's input → what such a model is."""
PLAIN_CHANNELS, INPAINTING_CHANNELS = 4, 9


class Networks(NamedTuple):
    """What a file or folder held. vae: None where it holds none. used: keys of the weights."""

    unet: Any
    vae: Any
    text_encoders: tuple[Any, ...]


def check_inputs(channels: int, where: str) -> None:
    """Raise BadWeights for a UNet that reads something which this pipeline does not give."""
    if channels in (PLAIN_CHANNELS, INPAINTING_CHANNELS):
        return
    other = _OTHER_INPUTS.get(channels, f"a model whose UNet reads {channels} channels")
    fix = "use a model for text to image, or one for inpainting"
    raise BadWeights(f"is {other}; that is not supported", where=where, fix=fix)


def build_unet(slots: Slots, weights: Weights, family: Family, placement: Placement, **config: Any) -> Built:
    """A UNet2DConditionModel. config: its arguments, where they are known."""
    arguments = config or configure_unet(measure_slots(slots, weights), family)
    check_inputs(arguments["in_channels"], weights.where)
    return assemble(
        lambda: find_class("diffusers.UNet2DConditionModel")(**arguments), slots, weights, placement, what="UNet"
    )


def build_vae(slots: Slots, weights: Weights, factor: float, placement: Placement, **config: Any) -> Built:
    """An AutoencoderKL. factor: of its latents; config: its arguments, where they are known."""
    shapes = measure_slots(slots, weights)
    channels = shapes.get("decoder.conv_in.weight", (0, PLAIN_CHANNELS))[1]
    if channels != PLAIN_CHANNELS:
        what = f"is a VAE with {channels} latent channels, of Flux.1, SD3 or another model"
        raise BadWeights(what, where=weights.where, fix="choose a VAE of SD1, SD2 or SDXL")
    arguments = config or configure_vae(shapes, factor)
    return assemble(lambda: find_class("diffusers.AutoencoderKL")(**arguments), slots, weights, placement, what="VAE")


def build_text_encoder(
    slots: Slots, weights: Weights, part: str, family: Family, placement: Placement, **config: Any
) -> Built:
    """A CLIPTextModel, with a projection where the part is SDXL's second. config: its arguments, where known."""
    openclip = part == TEXT_ENCODER_2 or family == "sd2"
    if family == "sd2" and not config:
        slots = {name: slot for name, slot in slots.items() if not _is_last_layer(name)}
    arguments = config or configure_text_encoder(measure_slots(slots, weights), openclip=openclip)
    kind = "CLIPTextModelWithProjection" if part == TEXT_ENCODER_2 else "CLIPTextModel"
    model, settings = find_class(f"transformers.{kind}"), find_class("transformers.CLIPTextConfig")
    return assemble(lambda: model(settings(**arguments)), slots, weights, placement, what=part.replace("_", " "))


def _is_last_layer(name: str) -> bool:
    return name.startswith("encoder.layers.") and int(name.split(".")[2]) >= SD2_LAYERS


def place_vae(family: Family, placement: Placement) -> Placement:
    """Where a VAE computes: SDXL's overflows in float16, so that float32 is used there."""
    overflows = family.startswith("sdxl") and placement.dtype == "float16"
    return msgspec.structs.replace(placement, dtype="float32") if overflows else placement
