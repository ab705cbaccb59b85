from __future__ import annotations

import pytest
import torch
from tests.support.fake_diffusion import Prompt, make_conditioning, make_fake_model
from torch import Tensor

from underdrawing.pipeline.denoising.controls import Controls
from underdrawing.pipeline.denoising.guidance import Denoiser
from underdrawing.pipeline.denoising.units import Conditioning
from underdrawing.pipeline.models.model import Model
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.plan import plan_steps
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

LATENTS = torch.full((1, 4, 8, 8), 3.0)
SIGMA = torch.tensor(2.0)


def guide(
    model: Model,
    *parts: Conditioning,
    negative: Conditioning | None = None,
    name: str = "Euler",
    cfg: float = 5.0,
) -> Tensor:
    plan = plan_steps(find_sampler(name), 4, ModelSigmas(model.alphas))
    prompts = Prompt(*parts), Prompt(negative or make_conditioning(-0.1))
    return Denoiser(model, plan, prompts, Controls((), plan), cfg=cfg)(LATENTS, SIGMA)


def answer(value: float) -> float:
    """Of the stand-in: latents without noise."""
    return 3 - 2 * (0.5 * 3 / 5**0.5 + value)


def test_guidance_goes_from_the_negative_prompt_on() -> None:
    found = guide(make_fake_model(), make_conditioning(0.2))
    assert torch.allclose(found, torch.tensor(answer(-0.1) + 5 * (answer(0.2) - answer(-0.1))))


def test_both_prompts_are_one_call() -> None:
    model = make_fake_model()
    guide(model, make_conditioning(0.2))
    assert len(model.unet.calls) == 1
    call = model.unet.calls[0]
    assert call["latents"].shape[0] == 2
    assert torch.allclose(call["latents"], LATENTS / 5**0.5)
    assert torch.equal(call["steps"], ModelSigmas(model.alphas).to_step(SIGMA).expand(2))


def test_parts_have_weights() -> None:
    parts = make_conditioning(0.2), make_conditioning(0.5, weight=-0.4)
    found = guide(make_fake_model(), *parts)
    base = answer(-0.1)
    expected = base + 5 * (answer(0.2) - base) - 5 * 0.4 * (answer(0.5) - base)
    assert torch.allclose(found, torch.tensor(expected))


def test_the_negative_prompt_is_not_computed_at_cfg_1() -> None:
    model = make_fake_model()
    found = guide(model, make_conditioning(0.2), cfg=1.0)
    assert torch.allclose(found, torch.tensor(answer(0.2)))
    assert model.unet.calls[0]["latents"].shape[0] == 1
    weighted = guide(model, make_conditioning(0.2, weight=0.5), cfg=1.0)
    assert torch.allclose(weighted, torch.tensor((answer(0.2) + answer(-0.1)) / 2))


@pytest.mark.parametrize(("windows", "sizes"), [((1, 2), [1, 1]), ((2, 1), [1, 1]), ((2, 2), [2])])
def test_prompts_of_different_lengths_are_two_calls(windows: tuple[int, int], sizes: list[int]) -> None:
    model = make_fake_model()
    negative = make_conditioning(-0.1, windows=windows[1])
    found = guide(model, make_conditioning(0.2, windows=windows[0]), negative=negative)
    assert [len(call["latents"]) for call in model.unet.calls] == sizes
    assert torch.allclose(found, guide(make_fake_model(), make_conditioning(0.2)))


def test_shorter_parts_are_filled_with_their_last_token() -> None:
    model = make_fake_model()
    short = Conditioning(states=torch.arange(77.0).reshape(1, 77, 1).expand(1, 77, 2))
    guide(model, short, make_conditioning(0.5, windows=2), negative=make_conditioning(0.0, windows=2))
    states = model.unet.calls[0]["encoder_hidden_states"]
    assert states.shape == (3, 154, 2)
    assert bool((states[0, 77:] == 76).all())


def test_velocity_is_turned_into_a_picture() -> None:
    found = guide(make_fake_model(prediction="v_prediction"), make_conditioning(0.2), cfg=1.0)
    velocity = 0.5 * 3 / 5**0.5 + 0.2
    assert torch.allclose(found, torch.tensor(3 / 5 - velocity * 2 / 5**0.5))


def test_sdxl_gets_pooled_vectors_and_ids() -> None:
    model = make_fake_model(sdxl=True)
    guide(model, make_conditioning(0.2, pooled=1.0), negative=make_conditioning(0.0, pooled=2.0))
    added = model.unet.calls[0]["added_cond_kwargs"]
    assert added["text_embeds"][:, 0].tolist() == [1, 2]
    assert added["time_ids"].shape == (2, 6)


def test_comfyui_runs_on_whole_steps() -> None:
    model = make_fake_model()
    guide(model, make_conditioning(0.2), name="euler")
    step = float(model.unet.calls[0]["steps"][0])
    assert step == round(step)
    guide(model, make_conditioning(0.2))
    assert 0 < abs(float(model.unet.calls[1]["steps"][0]) - step) < 0.5


def test_the_same_prompt_on_both_sides() -> None:
    """One object may be both; the negative side is known by its place."""
    both = make_conditioning(0.2)
    assert torch.allclose(guide(make_fake_model(), both, negative=both), torch.tensor(answer(0.2)))
