from __future__ import annotations

import pytest
import torch

from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

ALPHAS = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)


@pytest.fixture(scope="module")
def source() -> ModelSigmas:
    return ModelSigmas(ALPHAS.float())


def test_sigmas_of_stable_diffusion(source: ModelSigmas) -> None:
    assert (round(source.sigma_min, 4), round(source.sigma_max, 4)) == (0.0292, 14.6146)
    assert bool((source.sigmas[1:] > source.sigmas[:-1]).all())


def test_steps_and_sigmas_are_inverse(source: ModelSigmas) -> None:
    steps = torch.linspace(0, 999, 157)
    assert torch.allclose(source.to_step(source.to_sigma(steps)), steps, atol=2e-3)
    assert torch.equal(source.to_step(source.sigmas[500]), torch.tensor(500.0))
    assert source.to_step(torch.tensor(100.0)) == 999
    assert source.to_step(torch.tensor(0.001)) == 0


def test_the_nearest_step_is_whole(source: ModelSigmas) -> None:
    sigma = source.to_sigma(torch.tensor(400.4))
    assert source.to_step(sigma, nearest=True) == 400
    assert abs(float(source.to_step(sigma)) - 400.4) < 1e-2


def test_hosts_compute_in_different_precision(source: ModelSigmas) -> None:
    exact = ModelSigmas(ALPHAS.float(), host="comfyui")
    expected = (((1 - ALPHAS) / ALPHAS) ** 0.5).float()
    assert torch.equal(exact.sigmas, expected)
    assert 1e-6 < float((source.sigmas / exact.sigmas - 1).abs().max()) < 1e-4


def test_other_schedules_are_taken_as_they_are() -> None:
    alphas = torch.linspace(0.999, 0.01, 1000)
    exact = ((1 - alphas.double()) / alphas.double()) ** 0.5
    assert torch.allclose(ModelSigmas(alphas, host="comfyui").sigmas.double(), exact, rtol=1e-6)


def test_no_signal_at_the_end_is_finite() -> None:
    alphas = ALPHAS.float().clone()
    alphas[-1] = 0
    assert 4000 < ModelSigmas(alphas).sigma_max < 5000


def test_lcm_of_a1111_knows_every_twentieth_step(source: ModelSigmas) -> None:
    lcm = source.for_choice(find_sampler("LCM"))
    assert len(lcm.sigmas) == 50
    assert torch.equal(lcm.sigmas, source.sigmas[19::20])
    assert lcm.to_step(source.sigmas[503]) == 499
    assert torch.allclose(lcm.to_sigma(torch.tensor(519)), source.sigmas[519])
    assert source.for_choice(find_sampler("Euler")) is source
    assert source.for_choice(find_sampler("lcm")).host == "comfyui"
