"""DPM fast and DPM adaptive: DPM-Solver of orders 1 to 3, by a fixed number of calls or by the error.

Source: C. Lu et al., "DPM-Solver: a fast ODE solver for diffusion probabilistic model sampling in around 10 steps",
2022, with the ancestral noise and the PID step size control of k-diffusion (github.com/crowsonkb/k-diffusion).
A1111 runs both with eta 1, ComfyUI with 0. Time is t = -log sigma.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .euler import split_noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .run import Run

RELATIVE, ABSOLUTE = 0.05, 0.0078
FIRST_STEP = 0.05
SAFETY = 0.81
CLOSE, TINY = 1e-5, 1e-8
NEVER = 10_000
"""Steps after which DPM adaptive is stopped, for models whose error never falls (NaN)."""


class _Solver:
    """Steps from one time to another; the calls of the model within a step are shared between orders."""

    def __init__(self, run: Run, x: Tensor, time: Tensor) -> None:
        self.run, self.x, self.time = run, x, time
        self.direction = self._find_direction(x, time)
        self._seen: dict[float, Tensor] = {}

    def _find_direction(self, x: Tensor, time: Tensor) -> Tensor:
        sigma = time.neg().exp()
        return (x - self.run.denoise(x, sigma)) / sigma

    def _look_ahead(self, share: float, end: Tensor) -> Tensor:
        """How the direction differs after a share of the step."""
        if share not in self._seen:
            time = self.time + share * (end - self.time)
            x = self.x - time.neg().exp() * (share * (end - self.time)).expm1() * self.direction
            self._seen[share] = self._find_direction(x, time) - self.direction
        return self._seen[share]

    def first(self, end: Tensor) -> Tensor:
        return self.x - end.neg().exp() * (end - self.time).expm1() * self.direction

    def second(self, end: Tensor, share: float = 1 / 2) -> Tensor:
        length = end - self.time
        bend = self._look_ahead(share, end)
        return self.first(end) - end.neg().exp() / (2 * share) * length.expm1() * bend

    def third(self, end: Tensor, near: float = 1 / 3, far: float = 2 / 3) -> Tensor:
        length = end - self.time
        time, part = self.time + far * length, far * length
        sigma = time.neg().exp()
        ahead = self.x - sigma * part.expm1() * self.direction
        ahead = ahead - sigma * (far / near) * (part.expm1() / part - 1) * self._look_ahead(near, end)
        bend = self._find_direction(ahead, time) - self.direction
        return self.first(end) - end.neg().exp() / far * (length.expm1() / length - 1) * bend


def _find_ends(run: Run) -> tuple[Tensor, Tensor, int]:
    """Times of the first and last sigma, and the calls. A1111 takes the model's own ends in text to image."""
    plan = run.plan
    if plan.whole and plan.choice.host == "a1111":
        high, low = torch.tensor(plan.source.sigma_max), torch.tensor(plan.source.sigma_min)
        return -high.log(), -low.log(), plan.steps
    low = plan.sigmas[-1] if plan.sigmas[-1] > 0 else plan.sigmas[-2]
    if plan.count == 1:  # where hosts hand back the noise
        low = low.minimum(torch.tensor(plan.source.sigma_min))
    return -plan.sigmas[0].log(), -low.log(), plan.count


def _share_noise(run: Run, time: Tensor, target: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Where to step to, and the noise to add there."""
    eta = run.eta(1.0 if run.plan.choice.host == "a1111" else 0.0)
    if not eta:
        return target, torch.zeros(())
    sigma_next = target.neg().exp()
    down, _ = split_noise(time.neg().exp(), sigma_next, eta)
    target = torch.minimum(end, -down.log())
    return target, (sigma_next**2 - target.neg().exp() ** 2).clamp(min=0) ** 0.5


def run_fast(run: Run, x: Tensor) -> Tensor:
    """As many calls as steps, three to a step, of equal length in log sigma."""
    if not run.total:
        return x
    start, end, calls = _find_ends(run)
    steps = calls // 3 + 1
    times = torch.linspace(float(start), float(end), steps + 1)
    orders = [3] * (steps - 2) + [2, 1] if calls % 3 == 0 else [3] * (steps - 1) + [calls % 3]
    for step, order in enumerate(orders):
        solver = _Solver(run, x, times[step])
        sigma = times[step].neg().exp()
        run.report(step, x, sigma, x - sigma * solver.direction)
        target, up = _share_noise(run, times[step], times[step + 1], end)
        kinds: tuple[Callable[[Tensor], Tensor], ...] = (solver.first, solver.second, solver.third)
        x = kinds[order - 1](target)
        if up > 0:
            x = x + up * run.draw(x)
    return x


def run_adaptive(run: Run, x: Tensor) -> Tensor:
    """Third order, steps as long as the difference to second order allows; how many there are is not known before."""
    if not run.total:
        return x
    time, end, _ = _find_ends(run)
    length = FIRST_STEP
    before = x
    order = 1.5 if run.eta(1.0 if run.plan.choice.host == "a1111" else 0.0) else 3
    for step in range(NEVER):
        if not time < end - CLOSE:
            return x
        target = torch.minimum(end, time + length)
        reached, up = _share_noise(run, time, target, end)
        solver = _Solver(run, x, time)
        low, high = solver.second(reached, 1 / 3), solver.third(reached)
        sigma = time.neg().exp()
        run.report(min(step, run.total - 1), x, sigma, x - sigma * solver.direction)
        allowed = torch.maximum(torch.tensor(ABSOLUTE).to(x), RELATIVE * torch.maximum(low.abs(), before.abs()))
        error = float(torch.linalg.norm((low - high) / allowed)) / x.numel() ** 0.5
        # the integral term of a PID control; the others are 0 in both hosts
        factor = 1 + math.atan((1 / (error + TINY)) ** (1 / order) - 1)
        length *= factor
        if factor >= SAFETY:
            before = low
            x = high + up * run.draw(x) if up > 0 else high
            time = target
    return x
