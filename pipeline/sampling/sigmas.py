"""Noise levels of a model: sigma = sqrt((1 - alpha) / alpha), and the steps of training they belong to.

Source: k-diffusion's DiscreteSchedule (github.com/crowsonkb/k-diffusion): between steps, log sigma is interpolated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..host_settings import HostSettings
from .names import Choice, Host

LOWEST_ALPHA = 4.8973451890853435e-08
"""Both hosts' stand-in for the zero at the end of schedules with zero terminal signal."""
TRAINED_BETAS = (0.00085, 0.012)
"""Ends of the schedule of SD1, SD2 and SDXL; the square roots of betas are spaced evenly."""
LCM_STRIDE = 20
"""A1111 runs LCM on every 20th step of training, the last included."""


class ModelSigmas:
    """Sigmas float32 [N], ascending, of steps stride - 1, 2 * stride - 1, ... of training (0, 1, 2, ... for stride 1).

    alphas: share of the picture's variance that is left at each step of training, [1000]. host: A1111 computes in
    float32, ComfyUI in float64, which differs by up to 4e-5 at the smallest sigma. sdxl: for Align Your Steps.
    """

    def __init__(self, alphas: Tensor, *, host: Host = "a1111", sdxl: bool = False, stride: int = 1) -> None:
        alphas = alphas.detach().cpu()
        exact = _recompute_alphas(alphas) if host == "comfyui" else alphas.float()
        exact = exact.clamp(min=LOWEST_ALPHA)
        self.alphas, self.host, self.sdxl, self.stride = alphas, host, sdxl, stride
        sigmas = ((1 - exact) / exact) ** 0.5
        self.sigmas = sigmas[stride - 1 :: stride].float()
        self.logs = sigmas[stride - 1 :: stride].log().float() if host == "comfyui" else self.sigmas.log()
        self.sigma_min, self.sigma_max = float(self.sigmas[0]), float(self.sigmas[-1])
        self.last = len(alphas) - 1

    def to_step(self, sigma: Tensor, *, nearest: bool = False) -> Tensor:
        """Step of training of a sigma, float32 of its shape; between two steps unless the nearest is asked for."""
        log = sigma.detach().cpu().float().log()
        distances = log - self.logs.reshape(-1, *[1] * log.ndim)
        if nearest or self.stride > 1:
            return self._to_number(distances.abs().argmin(dim=0).float())
        low = distances.ge(0).cumsum(dim=0).argmax(dim=0).clamp(max=len(self.logs) - 2)
        lower, upper = self.logs[low], self.logs[low + 1]
        share = ((lower - log) / (lower - upper)).clamp(0, 1)
        return (1 - share) * low + share * (low + 1)

    def to_sigma(self, step: Tensor) -> Tensor:
        """Sigma float32 of a step of training, which may lie between two."""
        place = ((step.float() - (self.stride - 1)) / self.stride).clamp(0, len(self.logs) - 1)
        low, high, share = place.floor().long(), place.ceil().long(), place.frac()
        return ((1 - share) * self.logs[low] + share * self.logs[high]).exp()

    def for_choice(self, choice: Choice) -> ModelSigmas:
        """The sigmas that a sampler runs on: in its host's precision, and fewer of them for A1111's LCM."""
        stride = LCM_STRIDE if choice.sampler == "lcm" and choice.host == "a1111" else 1
        if (choice.host, stride) == (self.host, self.stride):
            return self
        return ModelSigmas(self.alphas, host=choice.host, sdxl=self.sdxl, stride=stride)

    def _to_number(self, index: Tensor) -> Tensor:
        return index * self.stride + (self.stride - 1)


def _recompute_alphas(alphas: Tensor) -> Tensor:
    """The same in float64 where they are the common schedule, which float32 holds to 7e-5 of 1 - alpha only."""
    if alphas.dtype == torch.float64:
        return alphas
    low, high = (beta**0.5 for beta in TRAINED_BETAS)
    common = (1 - torch.linspace(low, high, len(alphas), dtype=torch.float64) ** 2).cumprod(0)
    return common if torch.allclose(common, alphas.double(), rtol=1e-5, atol=1e-7) else alphas.double()


def adjust_alphas(alphas: Tensor, settings: HostSettings) -> Tensor:
    """Alphas as A1111's settings have them: rounded to float16; or moved so that nothing is left of the picture at the
    last step (S. Lin et al., "Common diffusion noise schedules and sample steps are flawed", 2023)."""
    if settings.half_alphas:
        alphas = alphas.half().to(alphas.dtype)
    if settings.noise_schedule == "Default":
        return alphas
    roots = alphas**0.5
    first, last = roots[0], roots[-1]
    moved = ((roots - last) * (first / (first - last))) ** 2
    moved[-1] = LOWEST_ALPHA
    return moved
