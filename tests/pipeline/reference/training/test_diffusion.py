from __future__ import annotations

import pytest
import torch

from underdrawing.pipeline.reference.training.diffusion import (
    NOISY,
    SIGNAL,
    add_noise,
    draw_fixed,
    draw_steps,
    weigh_error,
)


def test_the_schedule_is_sd1s() -> None:
    assert float(SIGNAL[0]) == pytest.approx(0.99915, abs=1e-6)
    assert float(SIGNAL[999]) == pytest.approx(0.00466, abs=1e-5)


def test_noisy_latents_keep_their_size() -> None:
    torch.manual_seed(0)
    latents, noise = torch.randn(2, 4000, 4, 16, 16)
    for step in (0, 500, 999):
        noisy = add_noise(latents, noise, torch.full((4000,), step))
        assert float(noisy.std()) == pytest.approx(1, abs=0.01)


def test_half_of_the_steps_are_noisy() -> None:
    torch.manual_seed(0)
    steps = draw_steps(10_000, torch.device("cpu"))
    assert 0 <= int(steps.min()) < int(steps.max()) < 1000
    share = 0.5 + 0.5 * (1000 - NOISY) / 1000
    assert float((steps >= NOISY).float().mean()) == pytest.approx(share, abs=0.02)


def test_fixed_steps_and_noise_are_the_same_each_time() -> None:
    (steps, noise), again = (draw_fixed(torch.zeros(8, 4, 2, 2)) for _ in range(2))
    assert torch.equal(steps, again[0])
    assert torch.equal(noise, again[1])
    assert sorted(steps.tolist()) == [0, 125, 250, 375, 500, 625, 750, 875]


def test_the_layout_weighs_more() -> None:
    noise = torch.zeros(1, 4, 2, 2)
    answer = torch.ones(1, 4, 2, 2)
    clear, middle, noisy = (float(weigh_error(answer, noise, torch.tensor([step]))) for step in (10, 400, 990))
    assert clear < 0.06
    assert 1 < middle < 2
    assert noisy > 50
