"""A base model, ready to compute: networks, tokenizers and the facts that steering it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ...checkpoints.layouts.configurations import Family, Prediction

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ...core.networks.placement import Placement

ControlForm = Literal["controlnet", "union", "control_lora", "t2i"]


class Model(msgspec.Struct, kw_only=True):
    """A base model. unet, vae, text_encoders, tokenizers: classes of diffusers and transformers.

    text_encoders: CLIP-L; CLIP-L and OpenCLIP bigG of SDXL; bigG alone of its refiner. alphas: share of the picture's
    variance that is left at each of the steps of training, float32 [1000], on the CPU. channels: of the UNet's input,
    9 for inpainting models (latents, mask, masked picture) and 4 for others. sample_size: side of pictures it was
    trained on, in pixels. factor: pixels of a latent pixel's side. short_hash: A1111's, ten digits of the file's
    SHA-256, empty for folders. path: None for the bundled reference model. reference: whether it is that model, or made
    of it. notes: what a user should know of how it was
    read.
    """

    name: str
    family: Family
    prediction: Prediction
    unet: Any
    vae: Any
    text_encoders: tuple[Any, ...]
    tokenizers: tuple[Any, ...]
    alphas: Tensor
    scaling_factor: float
    channels: int = 4
    sample_size: int = 512
    factor: int = 8
    placement: Placement
    path: Path | None = None
    short_hash: str = ""
    vae_name: str = ""
    reference: bool = False
    notes: tuple[str, ...] = ()


class ControlNetwork(msgspec.Struct, kw_only=True):
    """What reads a map and steers a UNet. network: diffusers' class of its form. family: of the base models it is for.

    modes: union ControlNets' kinds of map by number; empty for others. short_hash: as of a model.
    """

    name: str
    form: ControlForm
    family: Family
    network: Any
    modes: dict[str, int] = {}
    path: Path | None = None
    short_hash: str = ""
    notes: tuple[str, ...] = ()
