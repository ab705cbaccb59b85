"""What the model is asked at a step of noise, and how its answer is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-8


class Objective:
    """Noise and loss of a model. alphas: share of the picture's variance at each step, [1000].

    velocity: whether it predicts v. min_snr: gamma of Hang and others 2023 (arXiv:2303.09556), 0 for none: steps with
    less noise than this ratio of signal to noise count as if they had it.
    """

    def __init__(self, alphas: Tensor, *, velocity: bool = False, min_snr: float = 0.0) -> None:
        self._alphas, self._velocity, self._min_snr = alphas.float(), velocity, min_snr

    @property
    def steps(self) -> int:
        """How many steps of noise there are."""
        return len(self._alphas)

    def add_noise(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Latents [B, C, h, w] as they are at steps [B]."""
        signal = self._read(steps, latents)
        return signal.sqrt() * latents + (1 - signal).sqrt() * noise

    def find_target(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """What the model should answer."""
        if not self._velocity:
            return noise
        signal = self._read(steps, latents)
        return signal.sqrt() * noise - (1 - signal).sqrt() * latents

    def judge(self, answer: Tensor, target: Tensor, steps: Tensor, masks: Tensor | None = None) -> Tensor:
        """Mean squared error of a batch. masks: [B, 1, h, w], where it counts and how much."""
        error = (answer.float() - target).square()
        if masks is None:
            each = error.mean((1, 2, 3))
        else:
            each = (error.mean(1, keepdim=True) * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3)).clamp(min=_LEAST)
        return (each * self.weigh(steps.to(each.device))).mean()

    def weigh(self, steps: Tensor) -> Tensor:
        """Weights of steps [B]."""
        if not self._min_snr:
            return torch.ones(len(steps), device=steps.device)
        signal = self._alphas.to(steps.device)[steps].clamp(min=_LEAST, max=1 - _LEAST)
        ratio = signal / (1 - signal)
        return ratio.clamp(max=self._min_snr) / (ratio + 1 if self._velocity else ratio)

    def _read(self, steps: Tensor, like: Tensor) -> Tensor:
        return self._alphas.to(like.device)[steps.to(like.device)].view(-1, 1, 1, 1)
