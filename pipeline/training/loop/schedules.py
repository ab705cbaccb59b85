"""The learning rate over the steps, as a factor on the highest."""

from __future__ import annotations

import math


def find_factor(schedule: str, step: int, steps: int, warm_up: int = 0) -> float:
    """Factor of a step, counted from 0, of so many. It rises in a line over the warm-up, then follows the schedule.

    constant: 1. linear and cosine: to 0 at the end, as in diffusers.
    """
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    share = (step - warm_up) / max(1, steps - warm_up)
    if schedule == "linear":
        return 1 - share
    return 0.5 * (1 + math.cos(math.pi * share)) if schedule == "cosine" else 1.0
