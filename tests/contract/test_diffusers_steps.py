"""Each step beside diffusers' pipelines on tiny random models: the same latents but for rounding.

Steps are compared one by one, each from diffusers' latents, because random networks enlarge differences of rounding.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import torch
from tests.support.fake_diffusion import Prompt
from tests.support.tiny_diffusion import make_control, make_model, require_diffusers
from torch import Tensor

from underdrawing import BadParameter
from underdrawing.pipeline.denoising.loop import denoise_latents
from underdrawing.pipeline.denoising.units import Conditioning, ControlUnit
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.noise import Noise
from underdrawing.pipeline.sampling.plan import Plan, plan_steps
from underdrawing.pipeline.sampling.sampler import sample
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from underdrawing.pipeline.models.model import Model

require_diffusers()

DIFFUSERS: Any = import_module("diffusers")

STEPS, FEW = 4, 2
"""Steps of training at which both interpolations of sigmas agree: 999, 666, 333, 0; and 999, 0."""
SIDE = 16
CFG = 5.0
SEED = 21


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def condition(model: Model, seed: int, *, windows: int = 1, weight: float = 1.0) -> Conditioning:
    width = model.unet.config.cross_attention_dim
    large = model.family == "sdxl"
    side = SIDE * 8.0
    return Conditioning(
        states=draw(seed, 1, 77 * windows, width),
        pooled=draw(seed + 1, 1, 64) if large else None,
        ids=torch.tensor([[side, side, 0, 0, side, side]]) if large else None,
        weight=weight,
    )


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {
        "sd1": make_model("sd1"),
        "sd2": make_model("sd2", prediction="v_prediction"),
        "sdxl": make_model("sdxl"),
        "inpainting": make_model("sd1", channels=9),
    }


def run(
    model: Model, *, strength: float | None = None, name: str = "Euler", seeds: Sequence[int] = (SEED,), **more: Any
) -> Tensor:
    plan = plan_steps(find_sampler(name, "Uniform"), STEPS, ModelSigmas(model.alphas), strength=strength)
    prompts = Prompt(condition(model, 1)), Prompt(condition(model, 3))
    noise = Noise(seeds, (4, SIDE, SIDE), host=plan.choice.host)
    return denoise_latents(model, plan, noise, *prompts, cfg=CFG, **more)


def compare(
    model: Model, expected: list[Tensor], *, strength: float | None = None, start: Tensor | None = None, **more: Any
) -> None:
    """Make each step alone. expected: latents after each step."""
    plan = plan_steps(
        find_sampler("Euler"), FEW if strength is None else STEPS, ModelSigmas(model.alphas), strength=strength
    )
    noise = Noise((SEED,), (4, SIDE, SIDE))
    prompts = Prompt(condition(model, 1)), Prompt(condition(model, 3))
    before = plan.enter(noise.select(0).initial(), start)
    assert len(expected) == plan.count
    for step, after in enumerate(expected):
        single = take_step(plan, step, before)
        found = denoise_latents(model, single, noise, *prompts, cfg=CFG, start=start, **more)
        reach = float(after.max() - after.min())
        assert float((found - after).abs().max()) <= 1e-5 * reach, f"step {step}"
        before = after


class Entered(Plan, frozen=True, kw_only=True):
    """One step of a plan, from given latents."""

    latents: Tensor

    def enter(self, noise: Tensor, latents: Tensor | None = None) -> Tensor:
        return self.latents


def take_step(plan: Plan, step: int, latents: Tensor) -> Entered:
    fields: dict[str, Any] = msgspec.structs.asdict(plan)
    fields.update(sigmas=plan.sigmas[step : step + 2], latents=latents)
    return Entered(**fields)


def build(kind: str, model: Model, **parts: Any) -> Any:
    scheduler = DIFFUSERS.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="linspace",
        prediction_type=model.prediction,
        steps_offset=1,
    )
    fixed: dict[str, Any] = {"vae": model.vae, "unet": model.unet, "scheduler": scheduler, "text_encoder": None}
    fixed |= {"tokenizer": None, **parts}
    if model.family == "sdxl":
        fixed |= {"text_encoder_2": None, "tokenizer_2": None}
    else:
        fixed |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = getattr(DIFFUSERS, kind)(**fixed)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def call(pipe: Any, model: Model, **more: Any) -> list[Tensor]:
    """Latents after each step."""
    positive, negative = condition(model, 1), condition(model, 3)
    arguments: dict[str, Any] = {"prompt_embeds": positive.states, "negative_prompt_embeds": negative.states}
    if model.family == "sdxl":
        arguments |= {
            "pooled_prompt_embeds": positive.pooled,
            "negative_pooled_prompt_embeds": negative.pooled,
        }
    arguments |= {
        "num_inference_steps": STEPS if more.get("strength", 1) < 1 else FEW,
        "guidance_scale": CFG,
        "output_type": "latent",
    }
    arguments |= {"generator": torch.Generator().manual_seed(SEED)}
    found: list[Tensor] = []

    def collect(_pipe: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        found.append(values["latents"].clone())
        return values

    def collect_plainly(_step: int, _time: Any, latents: Tensor) -> None:
        found.append(latents.clone())

    if isinstance(pipe, DIFFUSERS.StableDiffusionAdapterPipeline):
        more |= {"callback": collect_plainly, "callback_steps": 1}
    else:
        more |= {"callback_on_step_end": collect}
    pipe(**arguments, **more)
    return found


SIZE = {"height": SIDE * 8, "width": SIDE * 8}
KINDS = {"sdxl": "StableDiffusionXL"}


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_text_to_image(name: str, models: dict[str, Model]) -> None:
    model = models[name]
    pipe = build(f"{KINDS.get(name, 'StableDiffusion')}Pipeline", model)
    compare(model, call(pipe, model, **SIZE))


@pytest.mark.parametrize("name", ["sd1", "sdxl"])
def test_image_to_image(name: str, models: dict[str, Model]) -> None:
    """A1111 makes int(strength * steps) + 1 steps, diffusers int(strength * steps)."""
    model, start = models[name], draw(5, 1, 4, SIDE, SIDE)
    pipe = build(f"{KINDS.get(name, 'StableDiffusion')}Img2ImgPipeline", model)
    compare(model, call(pipe, model, image=start, strength=0.75), strength=0.5, start=start)


def test_inpainting_with_a_plain_model(models: dict[str, Model]) -> None:
    """With Euler, keeping the picture in what is denoised is the same as keeping the noisy picture."""
    model, start = models["sd1"], draw(5, 1, 4, SIDE, SIDE)
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 2:6, 3:7] = 1
    large = mask.repeat_interleave(8, 2).repeat_interleave(8, 3)
    pipe = build("StableDiffusionInpaintPipeline", model)
    expected = call(pipe, model, image=start, mask_image=large, masked_image_latents=start, strength=0.75, **SIZE)
    found = run(model, strength=0.5, start=start, mask=mask)
    reach = float(found.max() - found.min())
    assert float((found - expected[-1]).abs().max()) <= 1e-5 * reach
    assert torch.equal(found[..., :2, :], start[..., :2, :])


def test_inpainting_with_a_model_made_for_it(models: dict[str, Model]) -> None:
    model, rest = models["inpainting"], draw(6, 1, 4, SIDE, SIDE)
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 2:6, 3:7] = 1
    large = mask.repeat_interleave(8, 2).repeat_interleave(8, 3)
    pipe = build("StableDiffusionInpaintPipeline", model)
    more = {"image": torch.zeros(1, 3, SIDE * 8, SIDE * 8), "mask_image": large, "masked_image_latents": rest}
    compare(model, call(pipe, model, strength=1.0, **more, **SIZE), inpaint=torch.cat([mask, rest], 1))


@pytest.mark.parametrize(("name", "count"), [("sd1", 1), ("sd1", 2), ("sdxl", 2)])
def test_control_nets(name: str, count: int, models: dict[str, Model]) -> None:
    model = models[name]
    networks = [make_control(name) for _ in range(count)]
    hints = [torch.rand(1, 3, SIDE * 8, SIDE * 8, generator=torch.Generator().manual_seed(index)) for index in range(2)]
    weights = [0.8, 0.5][:count]
    units = [ControlUnit(network=n, hint=h, weight=w) for n, h, w in zip(networks, hints, weights, strict=False)]
    nets = [network.network for network in networks]
    pipe = build(
        f"{KINDS.get(name, 'StableDiffusion')}ControlNetPipeline", model, controlnet=nets[0] if count == 1 else nets
    )
    own: dict[str, Any] = {"image": hints[0], "controlnet_conditioning_scale": weights[0]}
    if count == 2:
        own = {"image": hints, "controlnet_conditioning_scale": weights}
    compare(model, call(pipe, model, **own, **SIZE), controls=units)


def test_union_control_nets(models: dict[str, Model]) -> None:
    model, network = models["sdxl"], make_control("sdxl", form="union")
    hint = torch.rand(1, 3, SIDE * 8, SIDE * 8, generator=torch.Generator().manual_seed(1))
    pipe = build("StableDiffusionXLControlNetUnionPipeline", model, controlnet=network.network)
    expected = call(pipe, model, control_image=[hint], control_mode=[3], controlnet_conditioning_scale=0.7, **SIZE)
    compare(model, expected, controls=[ControlUnit(network=network, hint=hint, weight=0.7, modes=(3,))])
    with pytest.raises(BadParameter, match="not kinds of map"):
        run(model, controls=[ControlUnit(network=network, hint=hint, modes=(9,))])


def test_adapters(models: dict[str, Model]) -> None:
    model, network = models["sd1"], make_control("sd1", form="t2i")
    hint = torch.rand(1, 3, SIDE * 8, SIDE * 8, generator=torch.Generator().manual_seed(1))
    pipe = build("StableDiffusionAdapterPipeline", model, adapter=network.network)
    expected = call(pipe, model, image=hint, adapter_conditioning_scale=0.6, **SIZE)
    compare(model, expected, controls=[ControlUnit(network=network, hint=hint, weight=0.6)])


def test_tcd_is_that_of_diffusers() -> None:
    """But for the end: diffusers stops at step 0 of training, we on the picture."""
    scheduler = DIFFUSERS.TCDScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, clip_sample=False
    )
    scheduler.set_timesteps(4)
    source = ModelSigmas(scheduler.alphas_cumprod)
    plan = plan_steps(find_sampler("TCD"), 4, source)
    assert plan.source.to_step(plan.sigmas[:-1], nearest=True).tolist() == scheduler.timesteps.tolist()
    noise, generator = Noise((SEED,), (4, 4, 4)), torch.Generator().manual_seed(SEED)
    latents = torch.randn((1, 4, 4, 4), generator=generator)
    before: list[Tensor] = []

    def denoise(latents: Tensor, sigma: Tensor) -> Tensor:
        before.append(latents / (1 + sigma**2) ** 0.5)
        return latents - sigma * torch.tanh(before[-1])

    # diffusers starts from noise of unit variance
    start = noise.initial() * (1 + plan.sigmas[0] ** 2) ** 0.5
    sample(plan, denoise, start, noise)
    for place, time in enumerate(scheduler.timesteps[:-1]):
        assert torch.allclose(before[place], latents, atol=1e-5)
        latents = scheduler.step(torch.tanh(latents), time, latents, eta=0.3, generator=generator).prev_sample


def watch_rows(layers: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Rows of every call of layers, and what ends the watch."""
    seen: list[int] = []

    def note(_layer: Any, inputs: tuple[Tensor, ...], _answer: Tensor) -> None:
        seen.append(len(inputs[0]))

    return seen, [layer.register_forward_hook(note) for layer in layers]


def test_what_comes_before_the_prompt_is_computed_once(models: dict[str, Model]) -> None:
    """For both parts of guidance, of UNet and ControlNet; SDXL's rows differ from the beginning."""
    for name, rows in (("sd1", 1), ("sd2", 1), ("sdxl", 2)):
        model, network = models[name], make_control(name)
        counted = [one.down_blocks[0].resnets[0].conv1 for one in (model.unet, network.network)]
        seen, handles = watch_rows(counted)
        hint = torch.rand(1, 3, SIDE * 8, SIDE * 8, generator=torch.Generator().manual_seed(1))
        run(model, controls=[ControlUnit(network=network, hint=hint)])
        for handle in handles:
            handle.remove()
        assert set(seen) == {rows}
        assert len(seen) == 2 * STEPS
