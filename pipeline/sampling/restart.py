"""Restart sampling: Heun's steps, and back up with noise for a second or third way down.

Source: Y. Xu et al., "Restart sampling for improving generative processes", 2023, with the ranges that A1111 takes:
from sigma 0.1 back to 2, once for 20 steps or more, twice for 36 or more. With fewer steps it is Heun's method.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from .schedules import space_karras

if TYPE_CHECKING:
    from torch import Tensor

    from .run import Run

LOW, HIGH = 0.1, 2.0
ONCE, TWICE = 20, 36
"""Steps from which one or two restarts are made."""
FEWEST = 9
"""Steps of a restart."""


def list_restart_steps(sigmas: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Steps from one sigma to another, as many as the schedule has: sigmas [steps + 1], descending, the last one 0."""
    steps = len(sigmas) - 1
    if steps < ONCE:
        return list(pairwise(sigmas))
    times, own = (2, steps // 4) if steps >= TWICE else (1, FEWEST)
    down = space_karras(steps - own * times, float(sigmas[-2]), float(sigmas[0]))
    down = torch.cat([down, torch.zeros(1)]).to(sigmas)
    low, high = (int((down - level).abs().argmin()) for level in (LOW, HIGH))
    pairs = list(pairwise(down))
    if high >= low:
        return pairs
    again = space_karras(own + 1, float(down[low]), float(down[high])).to(sigmas)
    return [*pairs[:low], *list(pairwise(again)) * times, *pairs[low:]]


def run_restart(run: Run, x: Tensor) -> Tensor:
    """Heun's steps, with noise between where a step begins above the end of the last one."""
    reached: Tensor | None = None
    for step, (sigma, sigma_next) in enumerate(list_restart_steps(run.sigmas)):
        if reached is not None and reached < sigma:
            x = x + run.draw(x) * (sigma**2 - reached**2) ** 0.5
        direction = (x - run.call(step, x, sigma)) / sigma
        if sigma_next > 0:
            ahead = x + direction * (sigma_next - sigma)
            direction = (direction + (ahead - run.denoise(ahead, sigma_next)) / sigma_next) / 2
        x = x + direction * (sigma_next - sigma)
        reached = sigma_next
    return x
