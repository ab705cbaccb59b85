"""Passes of one picture: the first, and the second on the enlarged picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from ...core.errors import UnknownName
from ..denoising.latents import decode, encode
from ..denoising.loop import denoise_latents
from ..denoising.masks import INPAINTING_CHANNELS, make_inpaint_condition
from ..sampling.noise import Noise
from ..sampling.plan import plan_steps
from ..sampling.settings import make_options
from ..sampling.sigmas import ModelSigmas
from .sizes import enlarge_size
from .sources import shrink_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ...core.images.geometry import Size
    from ..models.model import Model
    from ..request import Hires, Pixels
    from ..sampling.plan import Plan
    from ..sampling.run import StepReport
    from .controls import ReadyControl
    from .job import PictureJob, Prompts
    from .seeds import PictureSeed

LATENT_CHANNELS = 4
UPSCALERS = ("latent", "lanczos", "nearest")


class Passes:
    """Draws pictures of a job. controls: with their maps, of the first pass."""

    def __init__(self, job: PictureJob, watch: Callable[[StepReport], None]) -> None:
        """Plan the steps and draw the maps. watch: sees every step and may stop the run by raising."""
        self._job, self._watch = job, watch
        request, model = job.request, job.model
        self._sigmas = ModelSigmas(model.alphas, sdxl=model.family.startswith("sdxl"))
        strength = None if request.image is None else request.strength
        self.first = plan_steps(job.choice, request.steps, self._sigmas, strength=strength)
        self.second = None if request.hires is None else self._plan_second(request.hires)
        self.controls = self._prepare(job.size)
        self._larger: list[ReadyControl] = []
        self._size = job.size if request.hires is None else enlarge_size(job.size, request.hires.scale, model.factor)
        if request.hires is not None:
            self._larger = self._prepare(self._size)
        self._prompts = job.plan_prompts(job.size)
        self._second_prompts = job.plan_prompts(self._size, first_pass=self.first.expected_calls)
        self._options = make_options(request, job.choice)
        self._inpaint = self._read_inpaint()

    @property
    def steps(self) -> int:
        """Of one picture."""
        return self.first.count + (self.second.count if self.second else 0)

    def draw(self, seed: PictureSeed) -> Pixels:
        """One picture, uint8 [H, W, 3]. Raises BadWeights for numbers that are not finite, Cancelled."""
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
        larger = enlarge_latents(self._job.running, latents, self._size, hires.upscaler)
        noise = self._make_noise(seed, self._size)
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
            options=self._options,
            callback=self._watch,
        )

    def _make_noise(self, seed: PictureSeed, size: Size) -> Noise:
        request, factor = self._job.request, self._job.model.factor
        return Noise(
            [seed.seed],
            (LATENT_CHANNELS, size.height // factor, size.width // factor),
            source=request.noise,
            subseeds=[seed.subseed],
            subseed_strength=request.subseed_strength,
            delta=request.noise_seed_delta,
            host=self._job.choice.host,
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
        return plan_steps(self._job.choice, steps, self._sigmas, strength=hires.strength, rule="exact")

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
        return make_inpaint_condition(self._job.running, planes, mask)


def enlarge_latents(model: Model, latents: Tensor, size: Size, upscaler: str) -> Tensor:
    """Latents of a larger picture: interpolated, or those of the picture resized. Raises UnknownName."""
    if upscaler not in UPSCALERS:
        raise UnknownName(f"there is no upscaler {upscaler!r}", where="hires", fix=f"choose {', '.join(UPSCALERS)}")
    if upscaler == "latent":
        target = (size.height // model.factor, size.width // model.factor)
        return functional.interpolate(latents, target, mode="bilinear", antialias=False)
    resampling = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}[upscaler]
    picture = Image.fromarray(decode(model, latents)[0]).resize((size.width, size.height), resampling)
    return encode(model, np.array(picture)[None])
