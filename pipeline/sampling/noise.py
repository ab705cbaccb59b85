"""Noise by seeds: every picture has generators of its own, so that it is the same alone and in a batch.

A1111 draws the first noise of a picture from a generator with its seed, mixes in the variation's, and goes on with the
same generator, or with one of seed + ENSD. ComfyUI's samplers start again from the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from .philox import PhiloxGenerator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..request import NoiseSource
    from .names import Host

NEARLY_PARALLEL = 0.9995


class Source(Protocol):
    """What draws normal numbers one after the other."""

    def draw(self, shape: Sequence[int]) -> Tensor:
        """Float32 of a shape."""
        ...


class _Cpu:
    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self.generator)


class _Nvidia:
    def __init__(self, seed: int) -> None:
        self.generator = PhiloxGenerator(seed)

    def draw(self, shape: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.generator.draw(shape))


SOURCES: dict[NoiseSource, Callable[[int], Source]] = {"cpu": _Cpu, "nv": _Nvidia}
"""Generators by source: torch's of the CPU, or as CUDA draws ("NV" in A1111)."""


class Noise:
    """Noise of a batch, one seed for each picture; float32 [B, *shape] on the CPU.

    shape: of one picture's latents, (channels, height, width). subseeds, subseed_strength: variation, 0 to 1. delta:
    A1111's ENSD, added to the seed after the first draw. host: whose order of draws holds. middle: height and width of
    other latents, whose noise stands in the middle of this one; A1111's "resize seed from".
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Sequence[int] = (4, 64, 64),
        *,
        source: NoiseSource = "cpu",
        subseeds: Sequence[int] = (),
        subseed_strength: float = 0.0,
        delta: int = 0,
        host: Host = "a1111",
        middle: tuple[int, int] | None = None,
    ) -> None:
        self.seeds, self.shape = tuple(seeds), tuple(shape)
        self.source: NoiseSource = source
        self.subseeds, self.subseed_strength, self.delta = tuple(subseeds), subseed_strength, delta
        self.host: Host = host
        self.middle = None if middle == self.shape[1:] else middle
        self._sources = [SOURCES[source](seed) for seed in self.seeds]
        self._started = False

    def initial(self) -> Tensor:
        """Noise that sampling starts from."""
        noise = torch.stack([self._draw_first(index) for index in range(len(self.seeds))])
        if self.delta or self.host == "comfyui":
            delta = self.delta if self.host == "a1111" else 0
            self._sources = [SOURCES[self.source](seed + delta) for seed in self.seeds]
        self._started = True
        return noise

    def next(self) -> Tensor:
        """Noise of a step; the first draw of all is `initial`."""
        if not self._started:
            return self.initial()
        return torch.stack([source.draw(self.shape) for source in self._sources])

    def select(self, index: int) -> Noise:
        """The noise of one picture of the batch, from its beginning."""
        return Noise(
            self.seeds[index : index + 1],
            self.shape,
            source=self.source,
            subseeds=self.subseeds[index : index + 1],
            subseed_strength=self.subseed_strength,
            delta=self.delta,
            host=self.host,
            middle=self.middle,
        )

    def _draw_first(self, index: int) -> Tensor:
        noise = self._sources[index].draw(self.shape)
        if self.middle is None:
            return self._vary(noise, index)
        other = SOURCES[self.source](self.seeds[index]).draw((self.shape[0], *self.middle))
        return put_in_middle(noise, self._vary(other, index))

    def _vary(self, noise: Tensor, index: int) -> Tensor:
        if not self.subseed_strength or not self.subseeds:
            return noise
        # A1111 varies pictures without a seed of variation by seed 0
        subseed = self.subseeds[index] if index < len(self.subseeds) else 0
        return mix_noise(self.subseed_strength, noise, SOURCES[self.source](subseed).draw(noise.shape))


def put_in_middle(noise: Tensor, other: Tensor) -> Tensor:
    """Noise [C, H, W] with other noise [C, h, w] in its middle, as much of it as there is room for."""
    result = noise.clone()
    offsets = [(own - given) // 2 for own, given in zip(noise.shape[1:], other.shape[1:], strict=True)]
    # where the other one is larger, A1111 rounds its cut down at both ends
    height, width = (given + 2 * min(offset, 0) for given, offset in zip(other.shape[1:], offsets, strict=True))
    top, left = (max(offset, 0) for offset in offsets)
    above, before = (max(-offset, 0) for offset in offsets)
    result[:, top : top + height, left : left + width] = other[:, above : above + height, before : before + width]
    return result


def mix_noise(share: float, low: Tensor, high: Tensor) -> Tensor:
    """Spherical interpolation of noise [C, H, W] column by column, as A1111 mixes variations in.

    share: of high, 0 to 1. Nearly parallel noise is mixed linearly, with A1111's shares (share of low).
    """
    turned = (low / low.norm(dim=1, keepdim=True) * (high / high.norm(dim=1, keepdim=True))).sum(1)
    if turned.mean() > NEARLY_PARALLEL:
        return low * share + high * (1 - share)
    angle = torch.acos(turned)
    sine = torch.sin(angle)
    return (torch.sin((1.0 - share) * angle) / sine).unsqueeze(1) * low + (torch.sin(share * angle) / sine).unsqueeze(
        1
    ) * high
