"""SD1's noise and what a network is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 1000
CLEAREST = 5.0
"""Signal to noise above which a step counts no more (Hang and others 2023, arXiv:2303.09556)."""
NOISY = 350
"""Half of the steps are drawn from here on, where the layout is decided."""
LAYOUT = 0.5
"""How much more the noisiest steps weigh: 1 would be the error of the velocity."""


def find_signal() -> Tensor:
    """Share of the picture's variance that is left at each step, [1000]: SD1's scaled linear schedule."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS) ** 2
    return (1 - betas).cumprod(0)


SIGNAL = find_signal()


def draw_steps(count: int, device: torch.device) -> Tensor:
    """Random steps, [count]."""
    steps = torch.randint(0, STEPS, (count,), device=device)
    noisy = NOISY + steps * (STEPS - NOISY) // STEPS
    return torch.where(torch.rand(count, device=device) < 0.5, steps, noisy)


def draw_fixed(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Steps, evenly spread, and noise for as many latents; the same on every call and device."""
    generator = torch.Generator().manual_seed(5)
    count = len(latents)
    steps = (torch.arange(count) * STEPS // count)[torch.randperm(count, generator=generator)]
    noise = torch.randn(latents.shape, generator=generator)
    return steps.to(latents.device), noise.to(latents.device)


def add_noise(latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Latents as they are at these steps."""
    signal = SIGNAL.to(steps.device)[steps].view(-1, 1, 1, 1)
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise


def weigh_error(answer: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Mean squared error of the noise; the noisiest steps, where the layout is decided, weigh more, clear ones less."""
    signal = SIGNAL.to(steps.device)[steps]
    ratio = signal / (1 - signal)
    error = (answer.float() - noise).square().mean((1, 2, 3))
    return (error * (ratio.clamp(max=CLEAREST) + LAYOUT) / ratio).mean()
