from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.fake_diffusion import FakeControl, Prompt, make_conditioning, make_fake_model, make_fake_unit

from underdrawing import BadParameter, BadWeights, Cancelled
from underdrawing.core.progress import Progress
from underdrawing.pipeline.denoising.loop import denoise_latents
from underdrawing.pipeline.denoising.masks import make_inpaint_condition
from underdrawing.pipeline.sampling.names import SAMPLERS, find_sampler
from underdrawing.pipeline.sampling.noise import Noise
from underdrawing.pipeline.sampling.plan import plan_steps
from underdrawing.pipeline.sampling.run import StepReport
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from underdrawing.pipeline.denoising.units import Conditioning
    from underdrawing.pipeline.models.model import Model

SHAPE = (4, 8, 8)


def run(
    model: Model,
    name: str = "Euler",
    *,
    seeds: Sequence[int] = (1,),
    steps: int = 4,
    strength: float | None = None,
    positive: Prompt | None = None,
    **more: Any,
) -> Tensor:
    choice = find_sampler(name)
    plan = plan_steps(choice, steps, ModelSigmas(model.alphas), strength=strength)
    prompts = positive or Prompt(make_conditioning(0.2)), Prompt(make_conditioning(-0.1))
    return denoise_latents(model, plan, Noise(seeds, SHAPE, host=choice.host), *prompts, **more)


@pytest.mark.parametrize("name", [entry.label for entry in SAMPLERS])
def test_the_same_bytes_alone_and_in_a_batch(name: str) -> None:
    model, control = make_fake_model(), FakeControl()
    units = [make_fake_unit(control, weight=0.1)]
    together = run(model, name, seeds=(1, 2, 3), controls=units)
    assert torch.equal(together[1:2], run(model, name, seeds=(2,), controls=units))


def test_prompts_are_asked_at_each_call() -> None:
    for name, expected in (("Euler", (4, 4)), ("Heun", (7, 8))):
        positive = Prompt(make_conditioning(0.2))
        run(make_fake_model(), name, positive=positive)
        calls, total = expected
        assert positive.calls == [(step, total) for step in range(calls)]


def test_every_step_is_seen_and_can_stop_the_run() -> None:
    reports: list[StepReport] = []
    run(make_fake_model(), callback=reports.append)
    assert [report.step for report in reports] == [0, 1, 2, 3]
    assert reports[-1].denoised.shape == (1, *SHAPE)
    progress = Progress()

    def watch(report: StepReport) -> None:
        if report.step == 1:
            progress.cancel()
        progress(report.step, report.total)

    model = make_fake_model()
    with pytest.raises(Cancelled):
        run(model, callback=watch)
    assert len(model.unet.calls) == 2


def test_the_networks_are_as_before_after_an_error() -> None:
    model, control = make_fake_model(), FakeControl()
    reader = control.controlnet_cond_embedding
    with pytest.raises(BadWeights):
        run(model, positive=Prompt(make_conditioning(float("nan"))), controls=[make_fake_unit(control)])
    assert control.controlnet_cond_embedding is reader


def test_nan_is_an_error_that_names_the_step() -> None:
    model = make_fake_model()
    broken = Prompt(make_conditioning(float("nan")))
    with pytest.raises(BadWeights, match="fake: computed NaN or infinite numbers at step 1 of 4"):
        run(model, positive=broken)

    class Late(Prompt):
        def at(self, step: int, total: int) -> Sequence[Sequence[Conditioning]]:
            return [[make_conditioning(0.2)]] if step < 4 else [self.parts]

    for name, found in (("Euler", 5), ("Heun", 3)):
        with pytest.raises(BadWeights, match=f"at step {found} of 6"):
            run(model, name, steps=6, positive=Late(make_conditioning(float("nan"))))


@pytest.mark.parametrize("name", ["Euler", "Euler a", "DPM++ 2M", "DDIM", "UniPC", "euler", "ddim", "uni_pc"])
def test_what_is_outside_the_mask_stays(name: str) -> None:
    start = torch.full((1, *SHAPE), 0.4)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:5, 2:6] = 1
    found = run(make_fake_model(), name, strength=0.6, start=start, mask=mask, steps=6)
    outside = mask.expand(1, *SHAPE) == 0
    # UniPC ends a little above 0
    assert torch.allclose(found[outside], start[outside], atol=1e-2)
    assert float((found - start)[~outside].abs().max()) > 0.01


def test_a_mask_needs_a_picture() -> None:
    with pytest.raises(BadParameter, match="needs a picture"):
        run(make_fake_model(), mask=torch.ones(1, 1, 8, 8))


def test_models_for_inpainting_see_mask_and_rest() -> None:
    model = make_fake_model(channels=9)
    run(model)
    beside = model.unet.calls[0]["latents"][:, 4:]
    assert beside.shape == (2, 5, 8, 8)
    assert bool((beside[:, 0] == 1).all())
    assert not beside[:, 1:].any()
    condition = make_inpaint_condition(model, torch.ones(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))
    run(model, inpaint=condition, controls=[make_fake_unit(control := FakeControl())])
    assert torch.equal(model.unet.calls[-1]["latents"][:1, 4:], condition)
    assert control.calls[0]["latents"].shape[1] == 4


def test_one_start_for_all_pictures_or_one_for_each() -> None:
    model, starts = make_fake_model(), torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    both = run(model, seeds=(1, 2), strength=0.5, start=starts)
    assert torch.equal(both[1:], run(model, seeds=(2,), strength=0.5, start=starts[1:]))
    shared = run(model, seeds=(1, 2), strength=0.5, start=starts[:1])
    assert torch.equal(shared[:1], both[:1])
    assert not torch.equal(shared[1:], both[1:])
