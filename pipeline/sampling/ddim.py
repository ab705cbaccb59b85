"""DDIM, with CFG++ too, and PLMS.

Sources: J. Song et al., "Denoising diffusion implicit models", 2020; H. Chung et al., "CFG++", 2024 (noise is put back
as the negative prompt sees it); L. Liu et al., "Pseudo numerical methods for
diffusion models on manifolds", 2022. For x = picture + sigma * noise, DDIM is Euler's method, its eta that of ancestral
sampling, and PLMS the Adams-Bashforth method with the weights of even steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .euler import split_noise

if TYPE_CHECKING:
    from torch import Tensor

    from .run import Run

WEIGHTS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Of the latest directions, the last first, by how many there are."""


def run_ddim(run: Run, x: Tensor) -> Tensor:
    """DDIM; eta is 0 unless given."""
    return _run(run, x, guided=True)


def run_ddim_cfgpp(run: Run, x: Tensor) -> Tensor:
    """DDIM with CFG++."""
    return _run(run, x, guided=False)


def _run(run: Run, x: Tensor, *, guided: bool) -> Tensor:
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        down, up = split_noise(sigma, sigma_next, run.eta(0.0))
        noise = (x - denoised) / sigma if guided else run.find_opposite_noise(x, denoised, sigma)
        x = denoised + noise * down
        if up > 0:
            x = x + run.draw(x) * up
    return x


def run_plms(run: Run, x: Tensor) -> Tensor:
    """PLMS; the first step takes the mean of the directions at both of its ends."""
    directions: list[Tensor] = []
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        direction = (x - run.call(step, x, sigma)) / sigma
        directions = [direction, *directions[:3]]
        if step == 0 and sigma_next > 0:
            ahead = x + direction * (sigma_next - sigma)
            slope = (direction + (ahead - run.denoise(ahead, sigma_next)) / sigma_next) / 2
        else:
            weights = WEIGHTS[len(directions) - 1]
            slope = sum((w * d for w, d in zip(weights, directions, strict=True)), start=direction * 0)
        x = x + slope * (sigma_next - sigma)
    return x
