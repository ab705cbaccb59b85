"""Chunks of pictures: their order, their length by device, their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.support.pictures import mixed

from underdrawing.core.networks.batching import find_chunk_length, iter_chunks, run_in_chunks
from underdrawing.core.networks.placement import Placement

if TYPE_CHECKING:
    from torch import Tensor


@pytest.mark.parametrize(("device", "side", "length"), [
    ("cpu", 64, 1), ("cuda", 512, 16), ("cuda:1", 512, 16), ("cuda", 4096, 1), ("mps", 512, 8),
])  # fmt: skip
def test_length(device: str, side: int, length: int) -> None:
    assert find_chunk_length(Placement(device=device), side, side) == length


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_pictures_come_back_in_order(device: str) -> None:
    pictures = np.concatenate([mixed(1000, 700)] * 2)
    seen: list[int] = []

    def network(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x[:, 0]

    assert np.array_equal(
        run_in_chunks(network, pictures, Placement(device=device)), pictures[..., 0].astype(np.float32)
    )
    assert seen == ([1] * 12 if device == "cpu" else [5, 5, 2])


def test_a_read_only_batch_gives_float_tensors(recwarn: pytest.WarningsRecorder) -> None:
    pictures = mixed(6, 5)
    pictures.setflags(write=False)
    (first, *rest) = iter_chunks(pictures, Placement())
    assert first.shape == (1, 3, 6, 5)
    assert first.is_floating_point()
    assert len(rest) == len(pictures) - 1
    assert not recwarn.list
