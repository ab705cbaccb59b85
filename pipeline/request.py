"""What a picture is asked for with, and what comes of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from ..core.images.geometry import FitMode
from .host_settings import HostSettings

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    Pixels = NDArray[uint8]

ControlMode = Literal["balanced", "prompt", "control"]
NoiseSource = Literal["cpu", "nv"]
Weighting = Literal["a1111", "comfyui"]
MaskContent = Literal["original", "fill", "noise", "nothing"]
MaskArea = Literal["whole", "masked"]
READY_MAP = "map"
"""Stands for an annotator where the picture is the map already."""
Source: TypeAlias = Any
"""A picture: a file (Path), or uint8 [H, W, 3] RGB; None for none."""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One ControlNet. image: a file, or uint8 [H, W, 3]; None for the initial picture.

    annotator: what makes the map of the image; empty or "map" when the image is the map already. params: of the
    annotator. model: name or file of the network; empty for the one that fits the annotator and the base model. start,
    end: share of the steps in which it steers. mode: balanced, or what is more important, as in A1111. fit: how the map
    is brought to the picture's size: cropped, stretched ("just") or with bars ("fill"), as in A1111.
    """

    image: Source = None
    annotator: str = ""
    params: dict[str, Any] = {}
    model: str = ""
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: ControlMode = "balanced"
    fit: FitMode = "crop"

    def __post_init__(self) -> None:
        """Both ways to say that the image is the map are one, and so are a path and its text."""
        if self.annotator == READY_MAP:
            msgspec.structs.force_setattr(self, "annotator", "")
        if isinstance(self.model, os.PathLike):
            msgspec.structs.force_setattr(self, "model", os.fspath(self.model))


class Hires(msgspec.Struct, frozen=True, kw_only=True):
    """A second pass on the enlarged picture, as A1111's hires fix. steps: 0 for as many as the first.

    width, height: of the result in place of the scale; 0 for what keeps the aspect, and both are met by cutting the
    sides off. upscaler: "latent", one of its other ways of interpolation, or a way of resizing pictures ("lanczos",
    "nearest"). sampler, scheduler, prompt, negative: empty for those of the first pass; LoRAs of a prompt of its own
    are on in the second pass only.
    """

    scale: float = 2.0
    steps: int = 0
    strength: float = 0.7
    upscaler: str = "latent"
    width: int = 0
    height: int = 0
    sampler: str = ""
    scheduler: str = ""
    prompt: str = ""
    negative: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What pictures are wanted. Prompts may hold LoRA tags, embeddings, weights, AND, BREAK and schedules.

    checkpoint: name or file; "reference" for the bundled model. vae: name or file; empty for the checkpoint's own.
    seed: of the first picture, the next ones count up; -1 for a random one. subseed, subseed_strength: variation.
    noise_seed_delta: A1111's ENSD. sampler, scheduler: names of A1111 or ComfyUI; an empty scheduler is the sampler's
    own. eta: share of noise that ancestral and SDE samplers and DDIM draw anew in a step; -1 for the sampler's own.
    s_churn, s_tmin, s_tmax: noise that Euler, Heun and DPM2 add, and the sigmas between which they do (0: no upper
    bound); s_noise: factor on drawn noise; all as in A1111. cfg: 0 for what the model likes, mostly 7. width, height:
    in pixels; 0 for the size of the picture to start from, or the model's. image, strength: image to image; fit: how it
    is brought to size. mask: white is painted anew, black with mask_invert; mask_blur: softness of its edge in pixels
    of the picture; mask_content: what is under it at the beginning, the picture, the colours around it, noise or
    nothing; mask_area: whether the whole picture is painted, or only what is masked, at the size asked for, with
    mask_padding pixels around it; all as in A1111. noise: where random numbers come from, the CPU's generator or
    A1111's "NV". settings: others of A1111's.
    """

    prompt: str
    negative: str = ""
    checkpoint: str = "reference"
    vae: str = ""
    controls: tuple[Control, ...] = ()
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0.0
    noise_seed_delta: int = 0
    steps: int = 20
    sampler: str = "DPM++ 2M"
    scheduler: str = ""
    eta: float = -1.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 0.0
    s_noise: float = 1.0
    cfg: float = 0.0
    clip_skip: int = 1
    width: int = 0
    height: int = 0
    count: int = 1
    image: Source = None
    strength: float = 0.75
    fit: FitMode = "crop"
    mask: Source = None
    mask_blur: float = 4.0
    mask_content: MaskContent = "original"
    mask_invert: bool = False
    mask_area: MaskArea = "whole"
    mask_padding: int = 32
    hires: Hires | None = None
    noise: NoiseSource = "cpu"
    weighting: Weighting = "a1111"
    settings: HostSettings = HostSettings()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A picture, uint8 [H, W, 3] RGB. infotext: as A1111 writes it. maps: of each control, as the network saw them.

    request: repeats this picture, alone. loras: accounts of each LoRA's keys, as Receipt.to_json. notes: what a user
    should know of the run. seconds: it took.
    """

    pixels: Pixels
    seed: int
    subseed: int
    infotext: str = ""
    maps: tuple[Pixels, ...] = ()
    request: Request
    loras: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
