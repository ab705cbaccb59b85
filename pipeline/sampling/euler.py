"""Euler, Heun, DPM2, LMS, and their ancestral forms.

Sources: T. Karras et al., "Elucidating the design space of diffusion-based generative models", 2022, algorithm 2
(Euler, Heun); C. Lu et al., "DPM-Solver", 2022 (the midpoint in log sigma); all as k-diffusion applies them
(github.com/crowsonkb/k-diffusion). With x = picture + sigma * noise, the direction is d = (x - picture) / sigma.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from .run import Run

LMS_ORDER = 4
MAX_CHURN = 2**0.5 - 1


def split_noise(sigma: Tensor, sigma_next: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """How far down to step, and how much noise to add, so that an ancestral step ends at sigma_next."""
    if not eta:
        return sigma_next, sigma_next * 0
    variance = sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2
    up = (eta * variance**0.5).minimum(sigma_next)
    return (sigma_next**2 - up**2) ** 0.5, up


def find_middle(sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Half way in log sigma."""
    return sigma.log().lerp(sigma_next.log(), 0.5).exp()


def _churn(run: Run, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Add noise before a step; the latents, and the sigma they then have."""
    options = run.options
    if not options.churn > 0:
        return x, sigma
    inside = options.churn_low <= float(sigma) <= options.churn_high
    if not inside and run.plan.choice.host == "comfyui":
        return x, sigma
    noise = run.draw(x)  # A1111 draws outside of the range too
    if not inside:
        return x, sigma
    higher = sigma * (min(options.churn / run.total, MAX_CHURN) + 1)
    return x + noise * (higher**2 - sigma**2) ** 0.5, higher


def run_euler(run: Run, x: Tensor) -> Tensor:
    """Euler's steps."""
    for step in range(run.total):
        x, sigma = _churn(run, x, run.sigmas[step])
        denoised = run.call(step, x, sigma)
        x = x + (x - denoised) / sigma * (run.sigmas[step + 1] - sigma)
    return x


def run_euler_ancestral(run: Run, x: Tensor) -> Tensor:
    """Euler's steps further down, and noise back up."""
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        down, up = split_noise(sigma, sigma_next, run.eta())
        x = x + (x - denoised) / sigma * (down - sigma)
        if sigma_next > 0:
            x = x + run.draw(x) * up
    return x


def run_heun(run: Run, x: Tensor) -> Tensor:
    """Heun's steps: the mean of the directions at both ends; the last one Euler's."""
    for step in range(run.total):
        x, sigma = _churn(run, x, run.sigmas[step])
        sigma_next = run.sigmas[step + 1]
        direction = (x - run.call(step, x, sigma)) / sigma
        if sigma_next > 0:
            ahead = x + direction * (sigma_next - sigma)
            direction = (direction + (ahead - run.denoise(ahead, sigma_next)) / sigma_next) / 2
        x = x + direction * (sigma_next - sigma)
    return x


def run_dpm_2(run: Run, x: Tensor) -> Tensor:
    """The direction in the middle of a step, in log sigma; the last one Euler's."""
    for step in range(run.total):
        x, sigma = _churn(run, x, run.sigmas[step])
        direction = (x - run.call(step, x, sigma)) / sigma
        x = _step_by_middle(run, x, direction, sigma, run.sigmas[step + 1])
    return x


def run_dpm_2_ancestral(run: Run, x: Tensor) -> Tensor:
    """As DPM2, further down, and noise back up."""
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        direction = (x - run.call(step, x, sigma)) / sigma
        down, up = split_noise(sigma, sigma_next, run.eta())
        x = _step_by_middle(run, x, direction, sigma, down)
        if down > 0:
            x = x + run.draw(x) * up
    return x


def _step_by_middle(run: Run, x: Tensor, direction: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    if sigma_next == 0:
        return x + direction * (sigma_next - sigma)
    middle = find_middle(sigma, sigma_next)
    ahead = x + direction * (middle - sigma)
    return x + (ahead - run.denoise(ahead, middle)) / middle * (sigma_next - sigma)


def run_lms(run: Run, x: Tensor) -> Tensor:
    """Adams-Bashforth on uneven steps: a polynomial through the last four directions. ComfyUI ends on the picture."""
    directions: list[Tensor] = []
    times = run.sigmas.double().numpy()
    for step in range(run.total):
        denoised = run.call(step, x, run.sigmas[step])
        directions = [(x - denoised) / run.sigmas[step], *directions[: LMS_ORDER - 1]]
        if run.plan.choice.host == "comfyui" and run.sigmas[step + 1] == 0:
            return denoised
        shares = [_integrate_basis(times, step, index, len(directions)) for index in range(len(directions))]
        x = x + sum(share * direction for share, direction in zip(shares, directions, strict=True))
    return x


def _integrate_basis(times: np.ndarray, step: int, index: int, order: int) -> float:
    """Integral over a step of the Lagrange polynomial that is 1 at the index-th last time: exact, by Gauss's rule."""
    nodes, weights = np.polynomial.legendre.leggauss(3)
    low, high = times[step], times[step + 1]
    points = (high - low) / 2 * nodes + (high + low) / 2
    values = np.ones_like(points)
    for other in range(order):
        if other != index:
            values *= (points - times[step - other]) / (times[step - index] - times[step - other])
    return float((high - low) / 2 * (weights * values).sum())
