"""Whether a request makes sense by itself, before anything is loaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from ...core.errors import BadParameter
from ...core.images.geometry import FitMode, parse_size
from ..host_settings import BOUNDS as SETTINGS
from ..host_settings import Emphasis, NoiseSchedule
from ..request import ControlMode, MaskArea, MaskContent, NoiseSource, Weighting

if TYPE_CHECKING:
    from ..request import Control, Request

LARGEST_SEED = 2**64 - 1
BOUNDS: dict[str, tuple[float, float]] = {
    "steps": (1, 1000),
    "count": (1, 10_000),
    "cfg": (0, 100),
    "clip_skip": (1, 12),
    "strength": (0, 1),
    "subseed_strength": (0, 1),
    "mask_blur": (0, 256),
    "seed": (-1, LARGEST_SEED),
    "subseed": (-1, LARGEST_SEED),
    "eta": (-1, 10),
    "s_churn": (0, 1000),
    "s_tmin": (0, 10_000),
    "s_tmax": (0, 10_000),
    "s_noise": (0, 10),
    "mask_padding": (0, 16_384),
    "noise_seed_delta": (1 - 2**32, 2**32 - 1),
}
"""Lowest and highest values of a request's numbers."""
TEXTS = ("prompt", "negative", "checkpoint", "vae", "sampler", "scheduler")
HIRES: dict[str, tuple[float, float]] = {
    "scale": (1, 8),
    "steps": (0, 1000),
    "strength": (0, 1),
    "width": (0, 16_384),
    "height": (0, 16_384),
}
SETTING_CHOICES: dict[str, tuple[str, ...]] = {
    "emphasis": get_args(Emphasis),
    "noise_schedule": get_args(NoiseSchedule),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "fit": get_args(FitMode),
    "mask_content": get_args(MaskContent),
    "mask_area": get_args(MaskArea),
    "noise": get_args(NoiseSource),
    "weighting": get_args(Weighting),
}
CONTROL_CHOICES: dict[str, tuple[str, ...]] = {"mode": get_args(ControlMode), "fit": get_args(FitMode)}
CONTROL: dict[str, tuple[float, float]] = {"weight": (-10, 10), "start": (0, 1), "end": (0, 1)}


def check_request(request: Request) -> None:
    """Raise BadParameter for numbers out of their ranges and for parts that need one another."""
    check_numbers(request, BOUNDS, "")
    if -1 < request.eta < 0:
        raise BadParameter(
            f"{request.eta:g} is out of range", where="eta", fix="give 0 to 10, or -1: the sampler's own"
        )
    if 0 < request.s_tmax < request.s_tmin:
        what = f"no sigma is between {request.s_tmin:g} and {request.s_tmax:g}"
        raise BadParameter(
            what, where="s_tmin, s_tmax", fix="let s_tmin be the smaller one, or give s_tmax 0: no bound"
        )
    check_numbers(request.settings, SETTINGS, "settings, ")
    check_choices(request.settings, SETTING_CHOICES, "settings, ")
    parse_size(request.settings.seed_size)
    check_texts(request)
    check_choices(request, CHOICES, "")
    check_seeds(request)
    if request.hires is not None:
        check_numbers(request.hires, HIRES, "hires ")
    if request.mask is not None and request.image is None:
        raise BadParameter("a mask needs a picture to start from", where="mask", fix="give the picture too")
    if request.hires is not None and request.image is not None:
        what = "a second pass is for pictures from a prompt alone, as in A1111"
        fix = "give the larger size (width, height) and no second pass, or leave the picture out"
        raise BadParameter(what, where="hires", fix=fix)
    for index, control in enumerate(request.controls):
        check_control(control, request, f"control {index}")


def check_seeds(request: Request) -> None:
    """Raise BadParameter where the last of several pictures would have a seed that no generator takes."""
    last = max(request.seed, request.subseed) + request.count - 1 + max(0, request.noise_seed_delta)
    if last > LARGEST_SEED:
        what = f"counting up from it leads to {last}, more than {LARGEST_SEED}"
        raise BadParameter(what, where="seed", fix="give a smaller one")


def check_texts(request: Request) -> None:
    """Raise BadParameter for a text with halves of characters, which bytes that are no UTF-8 become."""
    hires = request.hires
    own = {} if hires is None else {"hires prompt": hires.prompt, "hires negative": hires.negative}
    for name, text in {**{name: str(getattr(request, name)) for name in TEXTS}, **own}.items():
        if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
            raise BadParameter(f"{text[:40]!r} is no text", where=name, fix="write it in UTF-8")


def check_control(control: Control, request: Request, where: str) -> None:
    """Raise BadParameter for a control without a picture, and for a range in which it never works."""
    check_numbers(control, CONTROL, f"{where}, ")
    check_choices(control, CONTROL_CHOICES, f"{where}, ")
    if control.start >= control.end:
        what = f"it would start at {control.start:g} and end at {control.end:g}, so never work"
        raise BadParameter(what, where=where, fix="let start be smaller than end")
    if control.image is None and request.image is None:
        raise BadParameter("it has no picture", where=where, fix="give it one, or a picture to start from")
    if not control.annotator and not control.model:
        what = "what kind of map it is, is not known"
        raise BadParameter(
            what, where=where, fix="name the annotator that makes the map, or the ControlNet that reads it"
        )


def check_choices(holder: object, choices: dict[str, tuple[str, ...]], where: str) -> None:
    """Raise BadParameter for a field of holder that is none of its choices."""
    for name, known in choices.items():
        if (value := getattr(holder, name)) not in known:
            raise BadParameter(
                f"{value!r} is none of its values", where=f"{where}{name}", fix=f"give {' or '.join(known)}"
            )


def check_numbers(holder: object, bounds: dict[str, tuple[float, float]], where: str) -> None:
    """Raise BadParameter for a field of holder that is no finite number within its bounds."""
    for name, (low, high) in bounds.items():
        value = getattr(holder, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise BadParameter(f"{value!r} is no number", where=f"{where}{name}", fix=f"give {low:g} to {high:g}")
        if not low <= value <= high:
            raise BadParameter(f"{value:g} is out of range", where=f"{where}{name}", fix=f"give {low:g} to {high:g}")
