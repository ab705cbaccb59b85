"""What a run of a sampler goes through: its sigmas, how noise enters, and how latents leave.

Latents are kept as k-diffusion keeps them, picture + sigma * noise, for every sampler. A1111 runs DDIM, PLMS and UniPC
on latents of constant variance instead, and so their noise enters, and the result leaves, by another factor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import torch

from ...core.errors import BadParameter
from ..host_settings import HostSettings
from .schedules import make_sigmas

if TYPE_CHECKING:
    from torch import Tensor

    from .names import Choice
    from .sigmas import ModelSigmas

StepsRule = Literal["share", "exact", "comfyui"]
"""How many of the steps an image to image run makes: A1111's share of them (strength * steps), A1111's exact number
(its option, and every second pass of hires fix), or ComfyUI's (as many, of a longer schedule)."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run. sigmas: float32, descending. entry: the sigma that pictures are noised to before the first step.

    span: lowest and highest sigma of the whole schedule, the ends of the Brownian path. whole: not image to image.
    steps: as asked for, which prompts that change by step are timed by. announced: those that A1111's ControlNets
    take their shares of. settings: A1111's.
    """

    choice: Choice
    sigmas: Tensor
    entry: float
    span: tuple[float, float]
    source: ModelSigmas
    steps: int
    whole: bool = True
    announced: int = 0
    settings: HostSettings = HostSettings()

    @property
    def count(self) -> int:
        """Steps that are made."""
        return len(self.sigmas) - 1

    @property
    def expected_calls(self) -> int:
        """Calls of the model that A1111 times prompts by."""
        return self.steps * self.choice.calls

    def enter(self, noise: Tensor, latents: Tensor | None = None) -> Tensor:
        """Latents to start from: noise [B, C, h, w] of unit variance, put over latents of an image to image run."""
        start, entry = self.sigmas[0].to(noise), torch.tensor(self.entry).to(noise)
        share = entry + self.settings.extra_noise
        if latents is not None and self.choice.host == "a1111":
            noise = noise * self.settings.noise_multiplier
        if self.choice.own_steps:
            if latents is None:
                return noise * (1 + start**2) ** 0.5
            return (latents + noise * share) / (1 + entry**2) ** 0.5 * (1 + start**2) ** 0.5
        if self.choice.host == "comfyui":
            share = (1 + entry**2) ** 0.5 if _reaches(self.entry, self.source.sigma_max) else entry
        if latents is not None:
            return latents + noise * share
        if self.choice.host == "a1111":
            share = (1 + entry**2) ** 0.5 if self.settings.variance_noise else entry
        return noise * share

    def leave(self, latents: Tensor) -> Tensor:
        """The result as the host hands it to the VAE."""
        return latents / (1 + self.sigmas[-1].to(latents) ** 2) ** 0.5 if self.choice.own_steps else latents


def plan_steps(
    choice: Choice,
    steps: int,
    model_sigmas: ModelSigmas,
    *,
    strength: float | None = None,
    rule: StepsRule | None = None,
    settings: HostSettings | None = None,
) -> Plan:
    """Plan a run. strength: of image to image, 0 to 1; None for text to image. rule: None for the host's own.

    Raises BadParameter for steps below 1 or a strength out of range.
    """
    _check(steps, strength)
    settings = settings or HostSettings()
    source = model_sigmas.for_choice(choice)
    rule = rule or ("comfyui" if choice.host == "comfyui" else "share")
    total, skip = (steps, 0) if strength is None else _count_steps(steps, strength, rule)
    if choice.own_steps:
        encoded = None if strength is None else total - skip - 1
        return _plan_own_steps(choice, steps, source, total + settings.drop_penultimate, encoded, settings)
    sigmas = make_sigmas(choice, max(total, 1), source, settings)
    # ComfyUI counts from the end, as schedules may hold another number of sigmas than was asked for
    used = sigmas[-(steps + 1) :] if rule == "comfyui" and skip else sigmas[skip:]
    if total < 1:
        used = sigmas[-1:]
    spanned = sigmas if choice.host == "a1111" else used
    return Plan(
        choice=choice,
        sigmas=used,
        entry=float(used[0]),
        span=_find_span(spanned),
        source=source,
        steps=steps,
        whole=strength is None,
        announced=steps if strength is None else len(used) - 1,
        settings=settings,
    )


def _find_span(sigmas: Tensor) -> tuple[float, float]:
    positive = sigmas[sigmas > 0]
    return (float(positive.min()), float(positive.max())) if len(positive) else (0.0, 0.0)


def _check(steps: int, strength: float | None) -> None:
    if steps < 1:
        raise BadParameter(f"{steps} steps are not possible", where="steps", fix="ask for 1 or more")
    if strength is not None and not 0 <= strength <= 1:
        raise BadParameter(f"a strength of {strength} is not possible", where="strength", fix="choose 0 to 1")


def _count_steps(steps: int, strength: float, rule: StepsRule) -> tuple[int, int]:
    """Steps of the whole schedule, and how many of them are left out at its beginning."""
    if rule == "share":
        return steps, steps - int(min(strength, 0.999) * steps) - 1
    if strength == 0:
        return 0, 0
    if rule == "exact":
        total = int(steps / min(strength, 0.999))
        return total, total - steps
    return (steps, 0) if strength > 0.9999 else (int(steps / strength), int(steps / strength) - steps)


def _reaches(sigma: float, highest: float) -> bool:
    return sigma > highest or math.isclose(sigma, highest, rel_tol=1e-5)


def _plan_own_steps(
    choice: Choice, steps: int, source: ModelSigmas, total: int, encoded: int | None, settings: HostSettings
) -> Plan:
    """A1111's DDIM, PLMS and UniPC: every (1000 // steps)-th step of training, from step 1.

    encoded: how many steps of an image to image run are taken. DDIM and PLMS make one call fewer than there are steps
    and stop at the lowest; an image is noised to the step above the first one, both as in A1111.
    """
    last = source.last
    places = (torch.arange(0, last + 1, (last + 1) // max(min(total, last + 1), 1)) + 1).clip(0, last)
    used = places if encoded is None else places[: max(encoded, 1)]
    entry = float(source.sigmas[places[min(len(used) if encoded is None else encoded, len(places) - 1)]])
    if choice.sampler in ("uni_pc", "uni_pc_bh2"):
        top = float(last) if encoded is None else float(used[-1])
        sigmas = _interpolate_alphas(source, torch.linspace(top, 0, len(used) + 1))
    else:
        sigmas = source.sigmas[used.flip(0)]
    return Plan(
        choice=choice,
        sigmas=sigmas,
        entry=entry if encoded is not None else float(sigmas[0]),
        span=(float(sigmas[-1]), float(sigmas[0])),
        source=source,
        steps=steps,
        whole=encoded is None,
        announced=steps if encoded is None else encoded + 1,
        settings=settings,
    )


def _interpolate_alphas(source: ModelSigmas, places: Tensor) -> Tensor:
    """Sigmas between steps of training as UniPC takes them: log alpha is interpolated, not log sigma."""
    logs = 0.5 * source.alphas.float().clamp(min=1e-12).log()
    low, high, share = places.floor().long(), places.ceil().long(), places.frac()
    alpha = (2 * ((1 - share) * logs[low] + share * logs[high])).exp()
    return ((1 - alpha) / alpha) ** 0.5
