"""Sigmas of every step, by the names and with the values of A1111 and ComfyUI.

Sources: T. Karras et al., 2022 (karras); k-diffusion (exponential, polyexponential, uniform); A. Sabour et al., 2024
(align your steps); T. Lee et al., 2024 (beta); the schedulers' values in A1111 1.10, Forge (turbo) and ComfyUI 0.3.
Where both hosts use a name for different values, the choice's host decides:

| name | A1111 | ComfyUI |
|---|---|---|
| all | sigmas of the model in float32 | in float64: up to 4e-5 apart |
| beta | quantiles between sigma min and max, both reached | quantiles of steps, rounded; repeated ones left out |
| kl_optimal | ends at sigma min: a trace of noise stays | ends at 0 |
| align_your_steps | one point for each step, then 0 | one point more, of which the last becomes 0 |
| DPM2, DPM2 a | one step more, last but one sigma left out | the same |
| DPM++ 3M SDE | last but one sigma left out | not left out |
| UniPC | steps of its own, ends at sigma min | the schedule, last but one sigma left out |
| DDIM | steps of its own, one call fewer than asked, ends at step 1 of training | Euler's steps on the schedule |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...core.errors import BadParameter
from ..host_settings import HostSettings
from .beta_distribution import find_beta_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from .names import Choice
    from .sigmas import ModelSigmas

RHO = 7.0
AYS = {
    "a1111": (
        (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
        (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    ),
    "comfyui": (
        (
            *(14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092),
            *(0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582),
        ),
        (
            *(14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141),
            *(0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582),
        ),
    ),
}
"""Optimised sigmas of SD1 and of SDXL, as each host rounds them."""


def make_sigmas(choice: Choice, steps: int, model_sigmas: ModelSigmas, settings: HostSettings | None = None) -> Tensor:
    """Sigmas float32 [steps + 1] on the CPU, descending, the last one 0, with the values of the choice's host.

    settings: A1111's of schedules; ComfyUI has none.

    Exceptions, as in the hosts: DDIM's schedule and beta may give another count; A1111's KL Optimal and the samplers
    with steps of their own (`plan_steps`) end above 0. Raises BadParameter unless steps is 1 or more.
    """
    if steps < 1:
        raise BadParameter(f"{steps} steps are not possible", where="steps", fix="ask for 1 or more")
    settings = settings if settings and choice.host == "a1111" else HostSettings()
    source = model_sigmas.for_choice(choice)
    schedule = _trained_tcd if (choice.sampler, choice.scheduler) == ("tcd", "uniform") else SCHEDULES[choice.scheduler]
    drop = choice.drop or settings.drop_penultimate
    sigmas = schedule(steps + drop, source, settings)
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if drop else sigmas


def space_karras(steps: int, low: float, high: float, rho: float = RHO) -> Tensor:
    """Sigmas float32 [steps] from high to low, their rho-th roots spaced evenly."""
    first, last = high ** (1 / rho), low ** (1 / rho)
    return (first + torch.linspace(0, 1, steps) * (last - first)) ** rho


def _find_ends(source: ModelSigmas, settings: HostSettings) -> tuple[float, float]:
    """Lowest and highest sigma."""
    return settings.sigma_low or source.sigma_min, settings.sigma_high or source.sigma_max


def _append_zero(values: Tensor | Sequence[float]) -> Tensor:
    return torch.cat([torch.as_tensor(values, dtype=torch.float32), torch.zeros(1)])


def _uniform(steps: int, source: ModelSigmas, _: HostSettings) -> Tensor:
    return _append_zero(source.to_sigma(torch.linspace(source.last, source.stride - 1, steps)))


def _sgm_uniform(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    return _append_zero(source.to_sigma(torch.linspace(*_find_last_steps(source, settings), steps + 1)[:-1]))


def _normal(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    return _append_zero(source.to_sigma(torch.linspace(*_find_last_steps(source, settings), steps)))


def _find_last_steps(source: ModelSigmas, settings: HostSettings) -> tuple[float, float]:
    """Steps of training of the highest and the lowest sigma."""
    high = float(source.to_step(torch.tensor(settings.sigma_high))) if settings.sigma_high else float(source.last)
    low = float(source.to_step(torch.tensor(settings.sigma_low))) if settings.sigma_low else float(source.stride - 1)
    return high, low


def _karras(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    return _append_zero(space_karras(steps, *_find_ends(source, settings), settings.rho or RHO))


def _exponential(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    low, high = _find_ends(source, settings)
    return _append_zero(torch.linspace(math.log(high), math.log(low), steps).exp())


def _polyexponential(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    low, high = map(math.log, _find_ends(source, settings))
    return _append_zero(torch.exp(torch.linspace(1, 0, steps) ** (settings.rho or 1.0) * (high - low) + low))


def _simple(steps: int, source: ModelSigmas, _: HostSettings) -> Tensor:
    stride = len(source.sigmas) / steps
    return _append_zero([float(source.sigmas[-(1 + int(step * stride))]) for step in range(steps)])


def _ddim_uniform(steps: int, source: ModelSigmas, _: HostSettings) -> Tensor:
    return _append_zero(source.sigmas[1 :: max(len(source.sigmas) // steps, 1)].flip(0))


def _kl_optimal(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    if source.host == "a1111":
        low, high = (torch.arctan(torch.tensor(end)) for end in _find_ends(source, settings))
        share = torch.arange(steps + 1) / steps
        return torch.tan(share * low + (1.0 - share) * high)
    share = torch.arange(steps, dtype=torch.float32) / max(steps - 1, 1)
    return _append_zero((share * math.atan(source.sigma_min) + (1 - share) * math.atan(source.sigma_max)).tan())


def _align_your_steps(steps: int, source: ModelSigmas, _: HostSettings) -> Tensor:
    levels = AYS[source.host][source.sdxl]
    count = steps if source.host == "a1111" else steps + 1
    if count != len(levels):
        places = np.linspace(0, 1, count)
        logs = np.interp(places, np.linspace(0, 1, len(levels)), np.log(levels[::-1]))
        levels = tuple(np.exp(logs)[::-1])
    return _append_zero(levels if source.host == "a1111" else levels[:-1])


def _beta(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    own = source.host == "a1111"
    shares = 1 - np.linspace(0, 1, steps, endpoint=own)
    quantiles = [find_beta_quantile(float(share), settings.beta_alpha, settings.beta_beta) for share in shares]
    if own:
        low, high = _find_ends(source, settings)
        return _append_zero([low + x * (high - low) for x in quantiles])
    places = np.rint(np.asarray(quantiles) * (len(source.sigmas) - 1)).astype(int).tolist()
    return _append_zero(source.sigmas[list(dict.fromkeys(places))])


def _turbo(steps: int, source: ModelSigmas, _: HostSettings) -> Tensor:
    count = source.last + 1
    places = (torch.arange(1, steps + 1) * (count / steps) - 1).flip(0).round().long().clip(0, source.last)
    return _append_zero(source.to_sigma(places))


def _linear_quadratic(steps: int, source: ModelSigmas, _: HostSettings, threshold: float = 0.025) -> Tensor:
    """As Mochi's: the first half of the steps removes a share of the noise evenly, the rest by a parabola."""
    linear = steps // 2
    if linear == 0:
        return torch.tensor([1.0, 0.0]) * source.sigma_max
    rest = linear - threshold * steps
    bend = rest / (linear * (steps - linear) ** 2)
    slope = threshold / linear - 2 * rest / (steps - linear) ** 2
    shares = [step * threshold / linear for step in range(linear)]
    shares += [bend * step**2 + slope * step + bend * linear**2 for step in range(linear, steps)]
    return torch.tensor([1 - share for share in [*shares, 1.0]]) * source.sigma_max


def _trained_tcd(steps: int, source: ModelSigmas, settings: HostSettings) -> Tensor:
    """The steps that consistency models were distilled on: 50 of training, of which diffusers takes some evenly."""
    trained = torch.arange(1, 51).flip(0) * 20 - 1
    if steps > len(trained):
        return _uniform(steps, source, settings)
    return _append_zero(source.to_sigma(trained[np.floor(np.linspace(0, 50, steps, endpoint=False)).astype(int)]))


SCHEDULES: dict[str, Callable[[int, ModelSigmas, HostSettings], Tensor]] = {
    "uniform": _uniform,
    "normal": _normal,
    "karras": _karras,
    "exponential": _exponential,
    "polyexponential": _polyexponential,
    "sgm_uniform": _sgm_uniform,
    "kl_optimal": _kl_optimal,
    "align_your_steps": _align_your_steps,
    "simple": _simple,
    "ddim_uniform": _ddim_uniform,
    "beta": _beta,
    "turbo": _turbo,
    "linear_quadratic": _linear_quadratic,
}
