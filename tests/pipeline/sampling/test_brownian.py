from __future__ import annotations

import itertools

import pytest
import torch

from underdrawing.pipeline.sampling.brownian import BrownianNoise, BrownianTree

SHAPE = (2, 3)


@pytest.fixture
def tree() -> BrownianTree:
    return BrownianTree(0.03, 14.6, SHAPE, 42)


def test_increments_add_up(tree: BrownianTree) -> None:
    times = [0.03, 0.1, 1.25, 7.3, 7.300001, 14.6]
    parts = [tree.measure(a, b) for a, b in itertools.pairwise(times)]
    assert torch.allclose(torch.stack(parts).sum(0), tree.total, atol=1e-5)
    assert not tree.measure(2.0, 2.0).any()


def test_what_was_asked_before_changes_nothing(tree: BrownianTree) -> None:
    first = tree.measure(1.0, 2.5)
    tree.measure(0.5, 9.0)
    assert torch.equal(first, tree.measure(1.0, 2.5))
    assert torch.equal(first, BrownianTree(0.03, 14.6, SHAPE, 42).measure(1.0, 2.5))


def test_increments_are_normal() -> None:
    noise = BrownianNoise(0.03, 14.6, (4, 40, 40), (1, 2))(torch.tensor(9.3), torch.tensor(8.1))
    assert noise.shape == (2, 4, 40, 40)
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.std()) - 1) < 0.03
    assert abs(float((noise[0] * noise[1]).mean())) < 0.03


def test_the_direction_is_a_sign() -> None:
    noise = BrownianNoise(0.03, 14.6, SHAPE, (1,))
    ends = torch.tensor(2.0), torch.tensor(1.0)
    assert torch.equal(noise(*ends), -noise(ends[1], ends[0]))


def test_numbers_of_torchsde() -> None:
    torchsde = pytest.importorskip("torchsde", reason="pip install torchsde, to compare with its numbers")
    low, high = torch.tensor(0.0291675), torch.tensor(14.6146)
    for seed in (0, 42, 2**33 + 5):
        reference = torchsde.BrownianTree(low, torch.zeros(SHAPE), high, entropy=seed)
        own = BrownianTree(float(low), float(high), SHAPE, seed)
        times = torch.tensor([0.0292, 0.5, 1.1, 4.77777, 9.0, 14.6])
        for start, end in itertools.pairwise(times):
            assert torch.equal(reference(start, end), own.measure(float(start), float(end)))


def test_noise_of_cuda_is_possible() -> None:
    assert not torch.equal(BrownianTree(0, 1, SHAPE, 1, "nv").total, BrownianTree(0, 1, SHAPE, 1).total)
