"""Pictures of the trained model for scores: DPM++ 2M Karras with guidance, any number of controls."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ....checkpoints.layouts.reference_shape import LATENT, SCALING_FACTOR
from ..training.vae import to_planes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

TRAINED_STEPS = 1000


class Sampler:
    """unet, text encoder and VAE of one model, on one device."""

    def __init__(self, unet: Any, text_encoder: Any, vae: Any, device: torch.device) -> None:
        self.unet, self.text_encoder, self.vae, self.device = (
            unet.to(device).eval(),
            text_encoder.to(device).eval(),
            vae.to(device).eval(),
            device,
        )

    @torch.no_grad()
    def draw(
        self,
        tokens: Tensor,
        seeds: Sequence[int],
        controls: Sequence[tuple[Any, Tensor]] = (),
        *,
        empty: Tensor,
        steps: int = 20,
        guidance: float = 3.0,
    ) -> NDArray[np.uint8]:
        """Pictures uint8 [N, 128, 128, 3] of tokens [N, 77]; controls: networks with hints [N, 3, 128, 128].

        Where the prompts are empty themselves there is nothing to guide by, and each step is computed once.
        """
        scheduler = import_module("diffusers").DPMSolverMultistepScheduler(
            num_train_timesteps=TRAINED_STEPS,
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            use_karras_sigmas=True,
        )
        scheduler.set_timesteps(steps)
        guided = not torch.equal(tokens, empty.expand_as(tokens))
        rows = torch.cat([empty.expand_as(tokens), tokens]) if guided else tokens
        words = self.text_encoder(rows.to(self.device)).last_hidden_state
        noise = [torch.randn(4, LATENT, LATENT, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        latents = torch.stack(noise).to(self.device) * scheduler.init_noise_sigma
        for step in scheduler.timesteps:
            given = scheduler.scale_model_input(torch.cat([latents, latents]) if guided else latents, step)
            answer = self._predict(given, step.to(self.device).expand(len(given)), words, controls)
            if guided:
                plain, prompted = answer.chunk(2)
                answer = plain + guidance * (prompted - plain)
            latents = scheduler.step(answer, step, latents).prev_sample
        return to_pictures(self.vae.decode(latents / SCALING_FACTOR).sample)

    @torch.no_grad()
    def rebuild(self, pictures: NDArray[np.uint8], batch: int) -> NDArray[np.uint8]:
        """What the VAE makes of pictures uint8 [N, 128, 128, 3]: no picture of the model can be nearer."""
        parts = [to_planes(part.to(self.device)) for part in torch.from_numpy(pictures).split(batch)]
        rebuilt = [to_pictures(self.vae.decode(self.vae.encode(part).latent_dist.mode()).sample) for part in parts]
        return np.concatenate(rebuilt)

    def _predict(self, latents: Tensor, steps: Tensor, words: Tensor, controls: Sequence[tuple[Any, Tensor]]) -> Tensor:
        down: list[Tensor] = []
        middle: Tensor | None = None
        for network, hints in controls:
            hint = hints.repeat(len(latents) // len(hints), 1, 1, 1).to(self.device)
            more, centre = network(latents, steps, words, hint, return_dict=False)
            down = [a + b for a, b in zip(down, more, strict=True)] if down else list(more)
            middle = centre if middle is None else middle + centre
        options = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle} if down else {}
        return self.unet(latents, steps, words, **options).sample


def to_pictures(planes: Tensor) -> NDArray[np.uint8]:
    """What a VAE decodes, -1 to 1 [N, 3, H, W], as uint8 [N, H, W, 3]."""
    levels = ((planes.float() + 1) * 127.5).round().clamp(0, 255).byte()
    return levels.permute(0, 2, 3, 1).cpu().numpy()
