"""Noise of the SDE samplers: increments of one Brownian path for each picture, whatever the steps are.

Source: the dyadic Brownian tree of X. Li et al., "Scalable gradients for stochastic differential equations", 2020, and
its numbers those of torchsde's BrownianTree (github.com/google-research/torchsde), which A1111 and ComfyUI use: the
seed of a node is derived by numpy's SeedSequence from the picture's seed and the node's place, and the middle of an
interval is a Brownian bridge. Times are sigmas, rounded to millionths.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from .noise import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..request import NoiseSource

DIGITS = 6
POOL = 24


class BrownianTree:
    """One path between two times; float32 of a shape, on the CPU."""

    def __init__(self, start: float, end: float, shape: Sequence[int], seed: int, source: NoiseSource = "cpu") -> None:
        self.shape, self.seed, self.source = tuple(shape), seed, SOURCES[source]
        self.start, self.end = round(start, DIGITS), round(end, DIGITS)
        self.total = self._draw(None) * math.sqrt(end - start)

    def measure(self, start: float, end: float) -> Tensor:
        """The increment between two times within the path's."""
        start, end = (round(min(max(time, self.start), self.end), DIGITS) for time in (start, end))
        pieces: list[Tensor] = []
        self._collect(pieces, (start, end), (self.start, self.end), self.total, (0, 0))
        if not pieces:
            return torch.zeros(self.shape)
        result = pieces[0]
        for piece in pieces[1:]:
            result = result + piece
        return result

    def _collect(
        self,
        pieces: list[Tensor],
        wanted: tuple[float, float],
        node: tuple[float, float],
        value: Tensor,
        place: tuple[int, int],
    ) -> None:
        """Gather the increments of the largest nodes within the wanted interval. place: a node's number and depth."""
        start, end = node
        if wanted[1] <= start or wanted[0] >= end:
            return
        if wanted[0] <= start and end <= wanted[1]:
            pieces.append(value)
            return
        middle = round(0.5 * (end + start), DIGITS)
        left, right, scale = middle - start, end - middle, 1 / (end - start)
        near = left * value * scale + math.sqrt(left * right * scale) * self._draw(place)
        number, depth = place
        self._collect(pieces, wanted, (start, middle), near, (2 * number, depth + 1))
        self._collect(pieces, wanted, (middle, end), value - near, (2 * number + 1, depth + 1))

    def _draw(self, place: tuple[int, int] | None) -> Tensor:
        sequence = np.random.SeedSequence(self.seed, spawn_key=place or (), pool_size=POOL)
        return self.source(int(sequence.generate_state(4 if place else 3)[0])).draw(self.shape)


class BrownianNoise:
    """Noise of unit variance between two sigmas, for a batch: float32 [B, *shape].

    low, high: ends of the path, sigmas. seeds: one for each picture.
    """

    def __init__(
        self, low: float, high: float, shape: Sequence[int], seeds: Sequence[int], source: NoiseSource = "cpu"
    ) -> None:
        self.trees = [BrownianTree(low, high, shape, seed, source) for seed in seeds]

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """From one sigma to another; against the path's direction the sign changes."""
        start, end = float(sigma), float(sigma_next)
        sign = 1.0 if start < end else -1.0
        low, high = min(start, end), max(start, end)
        increments = torch.stack([tree.measure(low, high) for tree in self.trees])
        return increments * sign / (sigma_next - sigma).abs().sqrt()
