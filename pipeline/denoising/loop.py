"""From noise to latents of pictures: the whole loop."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadParameter
from ..sampling.noise import Noise
from ..sampling.sampler import sample
from .controls import Controls
from .guidance import Denoiser
from .masks import INPAINTING_CHANNELS, Blend, make_empty_condition
from .rows import share_rows
from .upsampling import double_before_fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

    from ..models.model import Model
    from ..sampling.plan import Plan
    from ..sampling.run import SamplerOptions, StepReport
    from .units import ControlUnit, PromptPlan


@torch.no_grad()
def denoise_latents(
    model: Model,
    plan: Plan,
    noise: Noise,
    positive: PromptPlan,
    negative: PromptPlan,
    *,
    cfg: float = 7.0,
    start: Tensor | None = None,
    controls: Sequence[ControlUnit] = (),
    mask: Tensor | None = None,
    inpaint: Tensor | None = None,
    empty: Tensor | None = None,
    options: SamplerOptions | None = None,
    callback: Callable[[StepReport], None] | None = None,
) -> Tensor:
    """Latents float32 [B, C, h, w] of as many pictures as noise has seeds, drawn one after the other.

    So a picture is the same bytes alone and in a batch, whatever kernels a machine uses.

    start: latents of image to image, [1 or B, C, h, w]. mask: [1 or B, 1, h, w], 1 where they are painted anew.
    inpaint: of models for inpainting, [1 or B, 5, h, w] as `make_inpaint_condition` makes it. empty: states of an empty
    prompt, for A1111's setting that fills prompts up. callback: sees every step of every picture and may stop the run
    by raising. Raises BadWeights where the model answers NaN.
    """
    found: list[Tensor] = []
    for index in range(len(noise.seeds)):
        own = noise.select(index)
        initial = own.initial().to(model.placement.device)
        first = None if start is None else _pick(start, index).to(initial)
        blend = None if mask is None else _make_blend(plan, own, initial, first, _pick(mask, index))
        beside = _find_inpaint(model, inpaint, index, initial)
        units, prompts = Controls(controls, plan, index), (positive, negative)
        denoiser = Denoiser(model, plan, prompts, units, cfg=cfg, index=index, blend=blend, inpaint=beside, empty=empty)
        watch = _watch_both(denoiser, callback)
        with units.hold(), share_rows(model.unet), _enlarge(model, plan):
            latents = sample(plan, denoiser, plan.enter(initial, first), own, options=options, callback=watch)
        latents = plan.leave(latents)
        found.append(latents if blend is None else blend.finish(latents))
    return torch.cat(found)


def _enlarge(model: Model, plan: Plan) -> AbstractContextManager[None]:
    return double_before_fitting(model.unet) if plan.choice.host == "a1111" else nullcontext()


def _make_blend(plan: Plan, noise: Noise, initial: Tensor, start: Tensor | None, mask: Tensor) -> Blend:
    if start is None:
        raise BadParameter("a mask needs a picture to start from", where="mask", fix="give the picture, too")
    if plan.choice.host == "comfyui" and plan.choice.sampler == "ddim":
        # ComfyUI puts the noise of the next seed over what stays
        other = Noise([seed + 1 for seed in noise.seeds], noise.shape, source=noise.source)
        initial = other.initial().to(initial)
    return Blend(plan, mask, start, initial)


def _pick(batch: Tensor, index: int) -> Tensor:
    return batch[min(index, len(batch) - 1)][None]


def _watch_both(denoiser: Denoiser, callback: Callable[[StepReport], None] | None) -> Callable[[StepReport], None]:
    def watch(report: StepReport) -> None:
        denoiser.watch(report)
        if callback is not None:
            callback(report)

    return watch


def _find_inpaint(model: Model, inpaint: Tensor | None, index: int, initial: Tensor) -> Tensor | None:
    if model.channels != INPAINTING_CHANNELS:
        return None
    if inpaint is None:
        return make_empty_condition(model, *initial.shape[-2:])
    return _pick(inpaint, index)
