"""Training of the UNet on what the finished text encoder makes of the captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....core.tensor_files.safetensors_io import read_safetensors
from ..networks import build_unet
from .diffusion import add_noise, draw_fixed, draw_steps, weigh_error
from .latents import read_latents
from .loop import Part
from .starting import load_start
from .trained import Words, load_text_encoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ....core.networks.placement import Placement

UNPROMPTED = 0.1
"""Share of the samples that see the empty prompt."""
JUDGED = 96


class BasePart(Part):
    """Predicts the noise from the noisy latents and the caption."""

    name = "base"
    batches = (16, 512)
    decay = 0.998

    def __init__(self, placement: Placement, run: Path, *, start: Path | None = None, batch: int = 0) -> None:
        super().__init__(placement, batch)
        text = load_text_encoder(run, start).to(self.device)
        self._unet: Any = build_unet()
        if start is not None:
            load_start(self._unet, start / "unet")
        self.module = torch.nn.ModuleDict({"unet": self._unet})
        self.module.to(self.device)
        self._unet.to(memory_format=torch.channels_last)
        self._unet.set_default_attn_processor()
        self.plain = [self._unet.conv_in.weight, self._unet.conv_out.weight]
        data = read_latents(run / "latents")
        self._latents = data["z"].to(self.device)
        self._words = Words(text, data["tokens"].to(self.device))
        held = read_safetensors(run / "latents" / "held_out.safetensors")
        self._held = held["z"][:JUDGED].to(self.device)
        with torch.no_grad():
            self._held_words = text(held["tokens"][:JUDGED].long().to(self.device)).last_hidden_state

    def compute_loss(self, share: float) -> Tensor:
        """Weighted error of the predicted noise."""
        chosen = self.choose(len(self._latents))
        latents, words = self._latents[chosen].float(), self._words.read(chosen, UNPROMPTED)
        return self._compare(latents, words, draw_steps(self.batch, self.device), torch.randn_like(latents))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same error on scenes that are only judged, with fixed noise and evenly spread steps."""
        latents = self._held.float()
        return {"validation": float(self._compare(latents, self._held_words, *draw_fixed(latents)))}

    def _compare(self, latents: Tensor, words: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        noisy = add_noise(latents, noise, steps).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            answer = self._unet(noisy, steps, words).sample
        return weigh_error(answer, noise, steps)
