"""One run of a sampler: the model, the sigmas, the noise, and who watches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import msgspec

from .brownian import BrownianNoise

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .noise import Noise
    from .plan import Plan


class SamplerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A1111's settings of samplers. eta: share of noise that is drawn anew; None for the sampler's own.

    churn, churn_low, churn_high: noise that Euler, Heun and DPM2 add before a step, and the sigmas between which they
    do. scale: factor on drawn noise. A1111 calls them Eta, Sigma churn, Sigma tmin, Sigma tmax and Sigma noise.
    """

    eta: float | None = None
    churn: float = 0.0
    churn_low: float = 0.0
    churn_high: float = math.inf
    scale: float = 1.0


class StepReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known within a step, of step 0 to total - 1: noisy latents, and what they would become, [B, C, h, w]."""

    step: int
    total: int
    sigma: float
    latents: Tensor
    denoised: Tensor


class Denoise(Protocol):
    """A model: latents with noise of a sigma (0-dimensional, float32) in, latents without noise out.

    It may have the attribute opposite_noise: what the negative prompt found in the last call.
    """

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        """Both [B, C, h, w]."""
        ...


class Run:
    """What a sampler works with."""

    def __init__(
        self,
        plan: Plan,
        denoise: Denoise,
        noise: Noise,
        options: SamplerOptions | None = None,
        callback: Callable[[StepReport], None] | None = None,
    ) -> None:
        self.plan, self.denoise, self.noise = plan, denoise, noise
        self.sigmas, self.total = plan.sigmas, plan.count
        self.options = options or SamplerOptions()
        self._callback = callback
        self._brownian: BrownianNoise | None = None

    def eta(self, own: float = 1.0) -> float:
        """Share of noise that is drawn anew. own: of the sampler."""
        return own if self.options.eta is None else self.options.eta

    def draw(self, latents: Tensor) -> Tensor:
        """Noise of a step, times the scale, where the latents are."""
        return self.noise.next().to(latents) * self.options.scale

    def draw_between(self, latents: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Noise of the Brownian path from one sigma to another, times the scale, where the latents are."""
        if self._brownian is None:
            noise = self.noise
            self._brownian = BrownianNoise(*self.plan.span, noise.shape, noise.seeds, noise.source)
        return self._brownian(sigma, sigma_next).to(latents) * self.options.scale

    def find_opposite_noise(self, x: Tensor, denoised: Tensor, sigma: Tensor) -> Tensor:
        """Noise that the negative prompt found in the last call; all that was found where the model does not tell."""
        found = getattr(self.denoise, "opposite_noise", None)
        return (x - denoised) / sigma if found is None else found

    def report(self, step: int, latents: Tensor, sigma: Tensor, denoised: Tensor) -> None:
        """Tell who watches, who may also stop the run by raising."""
        if self._callback is not None:
            self._callback(
                StepReport(step=step, total=self.total, sigma=float(sigma), latents=latents, denoised=denoised)
            )

    def call(self, step: int, latents: Tensor, sigma: Tensor) -> Tensor:
        """Call the model and report."""
        denoised = self.denoise(latents, sigma)
        self.report(step, latents, sigma, denoised)
        return denoised
