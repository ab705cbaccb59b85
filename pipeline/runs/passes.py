"""Passes of one picture: the first, and the second on the enlarged picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import torch

from ...core.images.geometry import parse_size
from ..denoising.latents import decode, encode
from ..denoising.loop import denoise_latents
from ..denoising.masks import INPAINTING_CHANNELS, make_inpaint_condition
from ..denoising.tiling import tile_convolutions
from ..sampling.noise import Noise
from ..sampling.plan import plan_steps
from ..sampling.settings import make_options
from ..sampling.sigmas import ModelSigmas, adjust_alphas
from .enlarging import enlarge_latents, plan_enlargement
from .sources import shrink_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

    from ...core.images.geometry import Size
    from ..request import Hires, Pixels
    from ..sampling.plan import Plan
    from ..sampling.run import StepReport
    from .controls import ReadyControl
    from .job import PictureJob, Prompts
    from .seeds import PictureSeed

LATENT_CHANNELS = 4


class Passes:
    """Draws pictures of a job. controls: with their maps, of the first pass."""

    def __init__(self, job: PictureJob, watch: Callable[[StepReport], None]) -> None:
        """Plan the steps and draw the maps. watch: sees every step and may stop the run by raising."""
        self._job, self._watch = job, watch
        request, model = job.request, job.model
        alphas = adjust_alphas(model.alphas, request.settings)
        self._sigmas = ModelSigmas(alphas, sdxl=model.family.startswith("sdxl"))
        strength = None if request.image is None else request.strength
        self.first = plan_steps(job.choice, request.steps, self._sigmas, strength=strength, settings=request.settings)
        self.second = None if request.hires is None else self._plan_second(request.hires)
        self.controls = self._prepare(job.size)
        self._larger: list[ReadyControl] = []
        self._prompts = job.plan_prompts(job.size)
        if request.hires is not None:
            self._enlargement = plan_enlargement(job.size, request.hires, model.factor)
            self._larger = self._prepare(self._enlargement.size)
            calls = self.first.expected_calls
            self._second_prompts = job.plan_prompts(self._enlargement.full, first_pass=calls)
        with self._tile():
            self._inpaint = self._read_inpaint()

    @property
    def steps(self) -> int:
        """Of one picture."""
        return self.first.count + (self.second.count if self.second else 0)

    def draw(self, seed: PictureSeed) -> Pixels:
        """One picture, uint8 [H, W, 3]. Raises BadWeights for numbers that are not finite, Cancelled."""
        with self._tile():
            latents = self._draw_first(seed)
            if self._job.request.hires is not None:
                latents = self._draw_second(seed, latents, self._job.request.hires)
            pixels = decode(self._job.running, latents)[0]
        return pixels if self._job.painting is None else self._job.painting.finish(pixels)

    def _draw_first(self, seed: PictureSeed) -> Tensor:
        model, noise = self._job.running, self._make_noise(seed, self._job.size)
        painting = self._job.painting
        start = None if painting is None else encode(model, painting.start[None])
        soft = None if painting is None else painting.soft
        mask = None if soft is None else torch.from_numpy(shrink_mask(soft, model.factor))[None, None]
        if start is not None and mask is not None:
            start = self._fill_mask(start, mask, seed)
        return self._run(self.first, noise, start, self._prompts, self.controls, mask=mask, inpaint=self._inpaint)

    def _draw_second(self, seed: PictureSeed, latents: Tensor, hires: Hires) -> Tensor:
        assert self.second is not None
        larger = enlarge_latents(self._job.running, latents, self._enlargement, hires.upscaler)
        noise = self._make_noise(seed, self._enlargement.size)
        return self._run(self.second, noise, larger, self._second_prompts, self._larger)

    def _run(
        self,
        plan: Plan,
        noise: Noise,
        start: Tensor | None,
        prompts: Prompts,
        controls: Sequence[ReadyControl],
        *,
        mask: Tensor | None = None,
        inpaint: Tensor | None = None,
    ) -> Tensor:
        return denoise_latents(
            self._job.running,
            plan,
            noise,
            prompts.positive,
            prompts.negative,
            cfg=self._job.request.cfg,
            start=start,
            controls=[control.unit for control in controls],
            mask=mask,
            inpaint=inpaint,
            empty=self._job.read_empty(),
            options=make_options(self._job.request, plan.choice),
            callback=self._watch,
        )

    def _make_noise(self, seed: PictureSeed, size: Size) -> Noise:
        request, factor = self._job.request, self._job.model.factor
        middle = parse_size(request.settings.seed_size)
        return Noise(
            [seed.seed],
            (LATENT_CHANNELS, size.height // factor, size.width // factor),
            source=request.noise,
            subseeds=[seed.subseed],
            subseed_strength=request.subseed_strength,
            delta=request.noise_seed_delta,
            host=self._job.choice.host,
            middle=None if middle is None else (middle.height // factor, middle.width // factor),
        )

    def _fill_mask(self, start: Tensor, mask: Tensor, seed: PictureSeed) -> Tensor:
        """Latents of the picture with what is under the mask at the beginning."""
        content = self._job.request.mask_content
        if content in ("original", "fill"):
            return start
        under = self._make_noise(seed, self._job.size).initial() if content == "noise" else torch.zeros_like(start)
        mask = mask.to(start)
        return start * (1 - mask) + under.to(start) * mask

    def _plan_second(self, hires: Hires) -> Plan:
        steps = hires.steps or self._job.request.steps
        settings = msgspec.structs.replace(self._job.request.settings, noise_multiplier=1.0)
        choice = self._job.second_choice
        return plan_steps(choice, steps, self._sigmas, strength=hires.strength, rule="exact", settings=settings)

    def _tile(self) -> AbstractContextManager[None]:
        return tile_convolutions(self._job.running, wanted=self._job.request.settings.tiling)

    def _prepare(self, size: Size) -> list[ReadyControl]:
        return self._job.controls.prepare(size, self._job.note, device=self._job.model.placement.device)

    def _read_inpaint(self) -> Tensor | None:
        """What a model for inpainting sees besides; without a mask it paints all of the picture anew."""
        painting = self._job.painting
        if painting is None or self._job.model.channels != INPAINTING_CHANNELS:
            return None
        planes = torch.from_numpy(painting.start.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        soft = painting.soft
        mask = torch.ones(1, 1, *planes.shape[-2:]) if soft is None else torch.from_numpy(soft.copy())[None, None]
        return make_inpaint_condition(self._job.running, planes, mask, self._job.request.settings.mask_weight)
