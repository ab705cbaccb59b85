from __future__ import annotations

import pytest
import torch

from underdrawing import BadParameter
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.plan import plan_steps
from underdrawing.pipeline.sampling.schedules import make_sigmas
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

ALPHAS = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0).float()


@pytest.fixture(scope="module")
def source() -> ModelSigmas:
    return ModelSigmas(ALPHAS)


@pytest.mark.parametrize(("steps", "strength", "count"), [(20, 0.75, 16), (20, 0.5, 11), (20, 1.0, 20), (20, 0.0, 1)])
def test_a1111_makes_a_share_of_the_steps(steps: int, strength: float, count: int, source: ModelSigmas) -> None:
    choice = find_sampler("Euler")
    plan = plan_steps(choice, steps, source, strength=strength)
    assert plan.count == count
    assert torch.equal(plan.sigmas, make_sigmas(choice, steps, source)[-count - 1 :])
    assert plan.entry == float(plan.sigmas[0])


def test_hires_fix_makes_exactly_the_steps(source: ModelSigmas) -> None:
    choice = find_sampler("DPM++ 2M SDE")
    plan = plan_steps(choice, 10, source, strength=0.4, rule="exact")
    whole = make_sigmas(choice, 25, source)
    assert torch.equal(plan.sigmas, whole[-11:])
    assert plan.span == (float(whole[-2]), float(whole[0]))
    assert plan_steps(choice, 10, source, strength=0.0, rule="exact").count == 0


def test_comfyui_takes_the_end_of_a_longer_schedule(source: ModelSigmas) -> None:
    choice = find_sampler("dpmpp_2m_sde", "karras")
    plan = plan_steps(choice, 10, source, strength=0.4)
    whole = make_sigmas(choice, 25, source)
    assert torch.equal(plan.sigmas, whole[-11:])
    assert plan.span == (float(plan.sigmas[-2]), float(plan.sigmas[0]))
    assert plan_steps(choice, 10, source, strength=1.0).count == 10
    assert plan_steps(choice, 10, source, strength=0.0).count == 0


def test_noise_enters_as_in_each_host(source: ModelSigmas) -> None:
    noise, latents = torch.ones(1, 4, 2, 2), torch.full((1, 4, 2, 2), 0.5)
    own = plan_steps(find_sampler("Euler"), 5, source)
    assert torch.allclose(own.enter(noise), noise * source.sigma_max)
    other = plan_steps(find_sampler("euler"), 5, source)
    assert torch.allclose(other.enter(noise), noise * (1 + source.sigma_max**2) ** 0.5)
    part = plan_steps(find_sampler("euler"), 5, source, strength=0.5)
    assert torch.allclose(part.enter(noise, latents), latents + noise * part.entry)
    assert torch.equal(other.leave(latents), latents)


def test_ddim_of_a1111_keeps_the_variance(source: ModelSigmas) -> None:
    plan = plan_steps(find_sampler("DDIM"), 20, source)
    assert plan.count == 19
    assert float(plan.sigmas[0]) == float(source.sigmas[951])
    noise = torch.ones(1, 4, 2, 2)
    assert torch.allclose(plan.enter(noise) / (1 + plan.sigmas[0] ** 2) ** 0.5, noise)
    assert torch.allclose(plan.leave(noise), noise * ALPHAS[1] ** 0.5)
    part = plan_steps(find_sampler("DDIM"), 20, source, strength=0.5)
    # noised to the step above the first, as A1111 does
    assert part.count == 9
    assert (part.entry, float(part.sigmas[0])) == (float(source.sigmas[501]), float(source.sigmas[451]))
    mixed = noise * ALPHAS[501] ** 0.5 + noise * (1 - ALPHAS[501]) ** 0.5
    assert torch.allclose(part.enter(noise, noise), mixed / ALPHAS[451] ** 0.5)


@pytest.mark.parametrize(("strength", "step"), [(0.0, 1), (0.04, 1), (0.05, 51), (0.1, 101)])
def test_ddim_of_a1111_noises_by_the_share_also_where_no_step_is_left(
    strength: float, step: int, source: ModelSigmas
) -> None:
    plan = plan_steps(find_sampler("DDIM"), 20, source, strength=strength)
    assert plan.entry == float(source.sigmas[step])
    noise = torch.ones(1, 4, 2, 2)
    if not plan.count:
        mixed = noise * ALPHAS[step] ** 0.5 + noise * (1 - ALPHAS[step]) ** 0.5
        assert torch.allclose(plan.leave(plan.enter(noise, noise)), mixed)


def test_prompts_are_timed_by_the_steps_asked_for(source: ModelSigmas) -> None:
    assert plan_steps(find_sampler("Heun"), 20, source, strength=0.5).expected_calls == 40
    assert plan_steps(find_sampler("Euler"), 20, source).expected_calls == 20


@pytest.mark.parametrize("strength", [-0.1, 1.01])
def test_strength_is_0_to_1(strength: float, source: ModelSigmas) -> None:
    with pytest.raises(BadParameter, match="strength"):
        plan_steps(find_sampler("Euler"), 5, source, strength=strength)


@pytest.mark.parametrize("name", ["DDIM", "UniPC", "Euler"])
def test_no_steps_are_an_error(name: str, source: ModelSigmas) -> None:
    with pytest.raises(BadParameter, match="steps"):
        plan_steps(find_sampler(name), 0, source)
