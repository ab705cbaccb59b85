"""Random numbers of a run: each from the seed and what it is for, so that no step depends on those before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def make_number(*labels: object) -> int:
    """A number of 63 bits that stands for the labels: the seed, a purpose, a step, a place in the batch."""
    text = "/".join(map(str, labels))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def make_generator(*labels: object) -> torch.Generator:
    """A generator on the CPU, the same on every machine."""
    return torch.Generator().manual_seed(make_number(*labels))


def draw_noise(shape: tuple[int, ...], offset: float, *labels: object) -> Tensor:
    """Noise [C, h, w]. offset: standard deviation of what each channel is shifted by as a whole."""
    generator = make_generator(*labels)
    noise = torch.randn(shape, generator=generator)
    return noise + offset * torch.randn((shape[0], 1, 1), generator=generator) if offset else noise
