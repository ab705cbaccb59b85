"""Random numbers as CUDA draws them, without CUDA: what A1111 calls the source "NV".

Sources: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011 (Philox4x32-10); G. Box, M. Muller, 1958.
Each draw of a generator takes one counter for each number, and uses the first of the two normal values of the first
two words of its block, as torch.randn does on CUDA for tensors of the size of latents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Words = NDArray[np.float64]

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
SCALE = float(np.float32(2.3283064e-10))
"""2 to the power of -32, as CUDA rounds it."""
CIRCLE = float(np.float32(2.3283064e-10 * 6.2831855))


class PhiloxGenerator:
    """A generator with a seed of 64 bits; each draw moves the offset by one, as a call of torch.randn does."""

    def __init__(self, seed: int) -> None:
        self.seed, self.offset = seed & 0xFFFFFFFFFFFFFFFF, 0

    def draw(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """Normal numbers float32 of a shape; computed in float64 and rounded once, as A1111 does."""
        count = int(np.prod(shape))
        first, second = _scramble(self.seed, self.offset, count)
        self.offset += 1
        length = np.sqrt(-2.0 * np.log(first * SCALE + SCALE / 2))
        angle = second * CIRCLE + CIRCLE / 2
        return (length * np.sin(angle)).astype(np.float32).reshape(tuple(shape))


def _scramble(seed: int, offset: int, count: int) -> tuple[Words, Words]:
    """The first two words of the blocks of counters (offset, 0, 0..count - 1, 0), as whole numbers in float64."""
    words = [np.full(count, offset, np.uint64), np.zeros(count, np.uint64)]
    words += [np.arange(count, dtype=np.uint64), np.zeros(count, np.uint64)]
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(ROUNDS):
        left, right = words[0] * MULTIPLIERS[0], words[2] * MULTIPLIERS[1]
        words = [
            (right >> HALF) ^ words[1] ^ np.uint64(keys[0]),
            right & MASK,
            (left >> HALF) ^ words[3] ^ np.uint64(keys[1]),
            left & MASK,
        ]
        keys = [(key + step) & 0xFFFFFFFF for key, step in zip(keys, WEYL, strict=True)]
    return words[0].astype(np.float64), words[1].astype(np.float64)
