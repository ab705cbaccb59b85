"""In which order samples are trained on: a function of the seed and the number of the pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .chance import make_generator

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class Order:
    """Batches of samples that share a bucket. buckets: of each sample, counted as often as it repeats.

    The last batch of a bucket may be smaller. Every sample comes once in an epoch for each of its repeats.
    """

    def __init__(self, buckets: Sequence[Hashable], repeats: Sequence[int], batch: int, seed: int) -> None:
        self._batch, self._seed = batch, seed
        self._groups: dict[Hashable, list[int]] = {}
        for index, (bucket, count) in enumerate(zip(buckets, repeats, strict=True)):
            self._groups.setdefault(bucket, []).extend([index] * count)
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    @property
    def passes(self) -> int:
        """Batches of an epoch."""
        return sum(math.ceil(len(group) / self._batch) for group in self._groups.values())

    @property
    def samples(self) -> int:
        """Samples of an epoch."""
        return sum(map(len, self._groups.values()))

    def find(self, number: int) -> list[int]:
        """Samples of a pass, counted from 0 over all epochs."""
        epoch, place = divmod(number, self.passes)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._list_batches(epoch))
        return self._epoch[1][place]

    def _list_batches(self, epoch: int) -> list[list[int]]:
        batches: list[list[int]] = []
        generator = make_generator(self._seed, "order", epoch)
        for group in self._groups.values():
            mixed = [group[place] for place in torch.randperm(len(group), generator=generator).tolist()]
            batches += [mixed[start : start + self._batch] for start in range(0, len(mixed), self._batch)]
        return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]
