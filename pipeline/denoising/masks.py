"""Inpainting: what of the picture stays, in the loop and beside the latents of models made for it.

mask: [1 or B, 1, h, w] of latents, 1 where the picture is painted anew. A1111 puts the picture back over each denoised
state, and with its samplers of constant variance over the noisy latents instead, without noise; ComfyUI puts it back
before (with noise) and after each call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from .latents import encode_planes

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.model import Model
    from ..sampling.plan import Plan

INPAINTING_CHANNELS = 9
"""Of a UNet's input: latents, mask, latents of the picture without what is under the mask."""


class Blend:
    """Puts the picture back outside the mask. start: its latents. noise: what ComfyUI puts over them."""

    def __init__(self, plan: Plan, mask: Tensor, start: Tensor, noise: Tensor) -> None:
        self._mask, self._start = mask.to(start), start
        self._own, self._comfyui = plan.choice.own_steps, plan.choice.host == "comfyui"
        self._noise = noise

    def before(self, latents: Tensor, sigma: Tensor) -> Tensor:
        """Latents of a call."""
        if self._own:
            return self._mix(latents, self._start * (1 + sigma**2) ** 0.5)
        return self._mix(latents, self._start + self._noise * sigma) if self._comfyui else latents

    def after(self, denoised: Tensor, latents: Tensor, seen: Tensor) -> Tensor:
        """What a call answers. seen: what `before` made of the latents; A1111 takes the noise it finds in those from
        the latents themselves, ComfyUI does not."""
        return denoised + (latents - seen) if self._own else self._mix(denoised, self._start)

    def finish(self, latents: Tensor) -> Tensor:
        """The result."""
        return latents if self._comfyui else self._mix(latents, self._start)

    def _mix(self, latents: Tensor, start: Tensor) -> Tensor:
        return latents * self._mask + start * (1 - self._mask)


@torch.no_grad()
def make_inpaint_condition(model: Model, planes: Tensor, mask: Tensor, weight: float = 1.0) -> Tensor:
    """What a model made for inpainting sees beside latents: mask and latents of the rest, float32 [B, 5, h, w].

    planes: pictures, -1 to 1, [B, 3, H, W]. mask: [1 or B, 1, H, W], 1 where they are painted anew; it is rounded, the
    rest of the picture is grey, and the latents' mask its nearest pixels, as in A1111. weight: how grey, 0 to 1.
    """
    mask = mask.to(planes).round().expand(len(planes), -1, -1, -1)
    latents = encode_planes(model, planes * (1 - mask * weight))
    return torch.cat([functional.interpolate(mask, latents.shape[-2:]).to(latents), latents], dim=1)


def make_empty_condition(model: Model, height: int, width: int) -> Tensor:
    """What such a model sees in text to image: a grey picture, all of it to be painted. height, width: of latents."""
    planes = torch.zeros(1, 3, height * model.factor, width * model.factor)
    return make_inpaint_condition(model, planes, torch.ones(1, 1, *planes.shape[-2:]))
