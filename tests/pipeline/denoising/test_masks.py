from __future__ import annotations

import pytest
import torch
from tests.support.fake_diffusion import make_fake_model

from underdrawing.pipeline.denoising.masks import Blend, make_empty_condition, make_inpaint_condition
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.plan import plan_steps
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

ONES = torch.ones(1, 4, 2, 2)
MASK = torch.tensor([[[[0.0, 1.0], [0.25, 1.0]]]])
SIGMA = torch.tensor(3.0)


def make_blend(name: str) -> Blend:
    plan = plan_steps(find_sampler(name), 4, ModelSigmas(make_fake_model().alphas), strength=0.5)
    return Blend(plan, MASK, ONES * 2, ONES)


@pytest.mark.parametrize(
    ("name", "before", "after", "end"),
    [
        ("Euler", 10.0, 2.0, 2.0),
        ("DDIM", 2 * 10**0.5, 10.0, 2.0),
        ("euler", 2 + 3.0, 2.0, 10.0),
    ],
)
def test_where_each_host_puts_the_picture_back(name: str, before: float, after: float, end: float) -> None:
    blend, latents = make_blend(name), ONES * 10
    for found, outside in (
        (blend.before(latents, SIGMA), before),
        (blend.after(latents, latents, latents), after),
        (blend.finish(latents), end),
    ):
        assert torch.allclose(found[..., 0, 0], torch.tensor(outside))
        assert torch.allclose(found[..., 1], torch.tensor(10.0))
        assert torch.allclose(found[..., 1, 0], torch.tensor(0.25 * 10 + 0.75 * outside))


def test_noise_that_ddim_of_a1111_finds_is_taken_from_the_latents() -> None:
    blend, latents = make_blend("DDIM"), ONES * 10
    seen = blend.before(latents, SIGMA)
    noise = torch.full_like(latents, 0.5)
    assert torch.allclose(blend.after(seen - SIGMA * noise, latents, seen), latents - SIGMA * noise)


def test_a_model_for_inpainting_sees_the_rest_and_the_mask() -> None:
    model, planes = make_fake_model(channels=9), torch.full((2, 3, 32, 32), 0.6)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 16:] = 0.7
    found = make_inpaint_condition(model, planes, mask)
    assert found.shape == (2, 5, 4, 4)
    assert found[0, 0, 0].tolist() == [0, 0, 1, 1]
    assert torch.allclose(found[0, 1, 0], torch.tensor([0.3, 0.3, 0, 0]))


def test_text_to_image_with_such_a_model() -> None:
    found = make_empty_condition(make_fake_model(channels=9), 4, 6)
    assert found.shape == (1, 5, 4, 6)
    assert bool((found[:, 0] == 1).all())
    assert not found[:, 1:].any()
