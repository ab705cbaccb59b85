"""Samplers of distilled models: LCM and TCD.

Sources: S. Luo et al., "Latent consistency models", 2023; J. Zheng et al., "Trajectory consistency distillation", 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from .run import Run

DATA_SIGMA = 0.5
TIME_SCALE = 10.0
TCD_ETA = 0.3
"""How far below the next step TCD goes before it adds noise, as a share of the step of training."""


def run_lcm(run: Run, x: Tensor) -> Tensor:
    """The picture, and noise of the next sigma. A1111 keeps a trace of the noisy latents, as LCM was distilled."""
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.denoise(x, sigma)
        if run.plan.choice.host == "a1111":
            time = run.plan.source.to_step(sigma) * TIME_SCALE
            length = time**2 + DATA_SIGMA**2
            denoised = time / length**0.5 * denoised + DATA_SIGMA**2 / length * x
        run.report(step, x, sigma, denoised)
        x = denoised
        if sigma_next > 0:
            x = x + sigma_next * run.draw(x)
    return x


def run_tcd(run: Run, x: Tensor) -> Tensor:
    """To a sigma below the next one, and noise back up; the last step ends on the picture."""
    source = run.plan.source
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        if sigma_next == 0:
            return denoised
        low = torch.floor((1 - run.eta(TCD_ETA)) * source.to_step(sigma_next, nearest=True))
        down = source.to_sigma(low).minimum(sigma_next)
        x = denoised + (x - denoised) / sigma * down
        up = (sigma_next**2 - down**2) ** 0.5
        if up > 0:
            x = x + run.draw(x) * up
    return x
