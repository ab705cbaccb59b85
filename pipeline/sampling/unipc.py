"""UniPC, a unified predictor and corrector of third order, in both of its variants.

Source: W. Zhao et al., "UniPC: a unified predictor-corrector framework for fast sampling of diffusion models", 2023.
Written for x = picture + sigma * noise, where lambda = -log sigma and alpha is 1; coefficients in float64. ComfyUI
rounds lambda to float32 on its way through the variance, which is 3 % off at its last sigma; so do we for its names.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from .run import Run

ORDER = 3
COMFYUI_FLOOR = 0.001
"""ComfyUI's stand-in for a last sigma of 0."""


def run_bh1(run: Run, x: Tensor) -> Tensor:
    """B(h) = h."""
    return _run(run, x, exponential=False)


def run_bh2(run: Run, x: Tensor) -> Tensor:
    """B(h) = exp(h) - 1."""
    return _run(run, x, exponential=True)


def _run(run: Run, x: Tensor, *, exponential: bool) -> Tensor:
    if not run.total:
        return x
    sigmas = run.sigmas.clone()
    if sigmas[-1] == 0:
        sigmas[-1] = COMFYUI_FLOOR
    comfyui = run.plan.choice.host == "comfyui"
    times = _measure_times(sigmas) if comfyui else (-sigmas.double().log()).tolist()
    order = max(1, min(ORDER, run.total - comfyui))
    pictures = [run.call(0, x, sigmas[0])]
    for step in range(1, run.total + 1):
        here = min(step, order, run.total + 1 - step) if step >= order else step
        solver = _Step(times, step, here, exponential)
        base = solver.extend(x, pictures[0])
        x = solver.predict(base, pictures)
        if step < run.total:
            picture = run.call(step, x, sigmas[step])
            x = solver.correct(base, pictures, picture)
            pictures = [picture, *pictures[: order - 1]]
    return x


def _measure_times(sigmas: Tensor) -> list[float]:
    mean = 0.5 * (1 / (sigmas * sigmas + 1)).log()
    return (mean - 0.5 * (1 - (2 * mean).exp()).log()).tolist()


class _Step:
    """Coefficients of one step. times: lambdas of all steps. order: how many pictures are used."""

    def __init__(self, times: list[float], step: int, order: int, exponential: bool) -> None:
        length = times[step] - times[step - 1]
        self.order, self.shrink = order, math.exp(-length)
        # ratios of the lengths of the steps before; the corrector adds the end of this one
        self.ratios = [(times[step - 1 - back] - times[step - 1]) / length for back in range(1, order)]
        self.reach = math.expm1(-length)
        self.scale = self.reach if exponential else -length
        matrix = np.vander([*self.ratios, 1.0], order, increasing=True).T
        values = _integrate_powers(-length, order) / self.scale
        self.correction = np.linalg.solve(matrix, values) if order > 1 else np.array([0.5])
        self.prediction = np.array([0.5]) if order == 2 else np.linalg.solve(matrix[:-1, :-1], values[:-1])

    def extend(self, x: Tensor, picture: Tensor) -> Tensor:
        """The exact solution for a constant picture."""
        return self.shrink * x - self.reach * picture

    def _differences(self, pictures: list[Tensor]) -> list[Tensor]:
        return [(picture - pictures[0]) / ratio for picture, ratio in zip(pictures[1:], self.ratios, strict=False)]

    def predict(self, base: Tensor, pictures: list[Tensor]) -> Tensor:
        """Add what the pictures before say about this step."""
        for weight, difference in zip(self.prediction, self._differences(pictures), strict=False):
            base = base - self.scale * float(weight) * difference
        return base

    def correct(self, base: Tensor, pictures: list[Tensor], picture: Tensor) -> Tensor:
        """Do so again, with the picture at the end of the step."""
        differences = [*self._differences(pictures), picture - pictures[0]]
        for weight, difference in zip(self.correction, differences, strict=True):
            base = base - self.scale * float(weight) * difference
        return base


def _integrate_powers(length: float, order: int) -> np.ndarray:
    """phi functions times factorials: (phi_2, 2 phi_3, 6 phi_4, ...) times the length."""
    values: list[float] = []
    term, factorial = math.expm1(length) / length - 1, 1
    for index in range(1, order + 1):
        values.append(term * factorial)
        factorial *= index + 1
        term = term / length - 1 / factorial
    return np.array(values)
