from __future__ import annotations

import pytest
import torch
from tests.support.tiny_diffusion import compute_alphas

from underdrawing.pipeline.training.loop.objective import Objective

ALPHAS = compute_alphas()
STEPS = torch.tensor([0, 500, 999])
LATENTS, NOISE = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0)).unbind(0)


def test_noise_and_velocity_are_written_out() -> None:
    objective, velocity = Objective(ALPHAS), Objective(ALPHAS, velocity=True)
    for row, step in enumerate(STEPS):
        a, b = ALPHAS[step].sqrt(), (1 - ALPHAS[step]).sqrt()
        assert torch.allclose(objective.add_noise(LATENTS, NOISE, STEPS)[row], a * LATENTS[row] + b * NOISE[row])
        assert torch.allclose(velocity.find_target(LATENTS, NOISE, STEPS)[row], a * NOISE[row] - b * LATENTS[row])
    assert objective.find_target(LATENTS, NOISE, STEPS) is NOISE


@pytest.mark.parametrize("velocity", [False, True])
def test_min_snr_weights_are_those_of_the_paper(velocity: bool) -> None:
    weights = Objective(ALPHAS, velocity=velocity, min_snr=5.0).weigh(STEPS)
    for weight, step in zip(weights, STEPS, strict=True):
        ratio = float(ALPHAS[step] / (1 - ALPHAS[step]))
        assert float(weight) == pytest.approx(min(ratio, 5.0) / (ratio + velocity), rel=1e-3)
    assert Objective(ALPHAS).weigh(STEPS).tolist() == [1, 1, 1]


def test_zero_signal_at_the_end_gives_finite_weights() -> None:
    alphas = ALPHAS.clone()
    alphas[-1] = 0.0
    assert Objective(alphas, velocity=True, min_snr=5.0).weigh(STEPS).isfinite().all()
    assert Objective(alphas, min_snr=5.0).weigh(STEPS).isfinite().all()


def test_masks_choose_where_the_loss_counts() -> None:
    objective, target = Objective(ALPHAS), torch.zeros(2, 1, 2, 2)
    answer = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)
    steps = torch.tensor([3, 4])
    assert float(objective.judge(answer, target, steps)) == pytest.approx(7.5)
    masks = torch.tensor([[1.0, 0, 0, 0], [0, 0.5, 0, 0.5]]).view(2, 1, 2, 2)
    assert float(objective.judge(answer, target, steps, masks)) == pytest.approx((1 + 10) / 2)
    assert float(objective.judge(answer, target, steps, torch.ones(2, 1, 2, 2))) == pytest.approx(7.5)
