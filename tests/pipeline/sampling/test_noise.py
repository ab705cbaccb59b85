from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from underdrawing.pipeline.sampling.noise import Noise, mix_noise
from underdrawing.pipeline.sampling.philox import PhiloxGenerator

if TYPE_CHECKING:
    from underdrawing.pipeline.request import NoiseSource

SHAPE = (4, 6, 5)


def draw(seed: int, count: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=generator) for _ in range(count)]


def test_one_generator_for_each_picture() -> None:
    noise = Noise((5, 9), SHAPE)
    initial, following = noise.initial(), noise.next()
    for index, seed in enumerate((5, 9)):
        expected = draw(seed, 2)
        assert torch.equal(initial[index], expected[0])
        assert torch.equal(following[index], expected[1])


@pytest.mark.parametrize("source", ["cpu", "nv"])
@pytest.mark.parametrize("delta", [0, 31337])
def test_a_picture_draws_the_same_alone_and_in_a_batch(source: NoiseSource, delta: int) -> None:
    def batch(seeds: tuple[int, ...], subseeds: tuple[int, ...]) -> Noise:
        return Noise(seeds, SHAPE, source=source, subseeds=subseeds, subseed_strength=0.3, delta=delta)

    together, alone = batch((1, 2, 3), (4, 5, 6)), batch((2,), (5,))
    selected = together.select(1)
    for _ in range(3):
        drawn = together.next()
        assert torch.equal(drawn[1], alone.next()[0])
        assert torch.equal(drawn[1], selected.next()[0])


def test_ensd_changes_the_noise_of_steps_only() -> None:
    plain, moved = Noise((5,), SHAPE), Noise((5,), SHAPE, delta=100)
    assert torch.equal(plain.initial(), moved.initial())
    assert torch.equal(moved.next()[0], draw(105)[0])
    assert torch.equal(plain.next()[0], draw(5, 2)[1])


def test_comfyui_starts_again_from_the_seed() -> None:
    noise = Noise((5,), SHAPE, host="comfyui")
    assert torch.equal(noise.initial(), noise.next())
    assert torch.equal(noise.next()[0], draw(5, 2)[1])


def test_nv_is_philox() -> None:
    generator = PhiloxGenerator(3)
    noise = Noise((3,), SHAPE, source="nv")
    for drawn in (noise.initial(), noise.next()):
        np.testing.assert_array_equal(drawn[0].numpy(), generator.draw(SHAPE))


def test_variations_go_from_one_seed_to_the_other() -> None:
    ends = draw(1)[0], draw(2)[0]
    for strength, index in ((0.0, 0), (1.0, 1)):
        noise = Noise((1,), SHAPE, subseeds=(2,), subseed_strength=strength).initial()[0]
        assert torch.allclose(noise, ends[index], atol=1e-5)
    middle = Noise((1,), SHAPE, subseeds=(2,), subseed_strength=0.5).initial()[0]
    assert torch.allclose(middle, mix_noise(0.5, *ends))
    assert 0.8 < float(middle.std()) < 1.2


def test_a_variation_by_the_same_seed_is_no_variation() -> None:
    noise = draw(1)[0]
    assert torch.allclose(mix_noise(0.4, noise, noise), noise)
