"""Training of text encoder and UNet together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....core.tensor_files.safetensors_io import read_safetensors
from ..networks import build_text_encoder, build_unet
from .diffusion import STEPS, add_noise, draw_steps, weigh_error
from .latents import read_latents, tokenize
from .loop import Part
from .starting import load_start

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

UNPROMPTED = 0.1
"""Share of the samples that see the empty prompt."""
JUDGED = 96


class BasePart(Part):
    """Predicts the noise from the noisy latents and the caption."""

    name = "base"
    batch = 16
    decay = 0.998

    def __init__(self, latents: Path, start: Path | None = None) -> None:
        self._empty = tokenize([""])
        self._text: Any = build_text_encoder(int(self._empty.max()) + 1)
        self._unet: Any = build_unet()
        if start is not None:
            load_start(self._text, start / "text_encoder")
            load_start(self._unet, start / "unet")
        self.module = torch.nn.ModuleDict({"unet": self._unet, "text_encoder": self._text})
        self._unet.to(memory_format=torch.channels_last)
        embeddings = [p for name, p in self._text.named_parameters() if "embedding" in name]
        self.plain = [*embeddings, self._unet.conv_in.weight, self._unet.conv_out.weight]
        self._data = read_latents(latents)
        self._held = read_safetensors(latents / "held_out.safetensors")

    def compute_loss(self, share: float) -> Tensor:
        """Weighted error of the predicted noise."""
        chosen = torch.randint(0, len(self._data["z"]), (self.batch,))
        variants = torch.randint(0, self._data["tokens"].shape[1], (self.batch,))
        tokens = self._data["tokens"][chosen, variants].long()
        tokens = torch.where(torch.rand(self.batch, 1) < UNPROMPTED, self._empty, tokens)
        latents = self._data["z"][chosen].float()
        return self._compare(latents, tokens, draw_steps(self.batch), torch.randn_like(latents))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same error on scenes that are only judged, with fixed noise and evenly spread steps."""
        generator = torch.Generator().manual_seed(5)
        latents = self._held["z"][:JUDGED].float()
        steps = (torch.arange(JUDGED) * STEPS // JUDGED)[torch.randperm(JUDGED, generator=generator)]
        noise = torch.randn(latents.shape, generator=generator)
        tokens = self._held["tokens"][:JUDGED].long()
        return {"validation": float(self._compare(latents, tokens, steps, noise))}

    def _compare(self, latents: Tensor, tokens: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        words = self._text(tokens).last_hidden_state
        noisy = add_noise(latents, noise, steps).contiguous(memory_format=torch.channels_last)
        return weigh_error(self._unet(noisy, steps, words).sample, noise, steps)
