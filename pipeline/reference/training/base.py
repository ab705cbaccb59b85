"""Training of text encoder and UNet together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....core.tensor_files.safetensors_io import read_safetensors
from ..networks import build_text_encoder, build_unet
from .diffusion import add_noise, draw_fixed, draw_steps, weigh_error
from .latents import read_latents, tokenize
from .loop import Part
from .starting import load_start

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

    def __init__(self, placement: Placement, latents: Path, *, start: Path | None = None, batch: int = 0) -> None:
        super().__init__(placement, batch)
        self._empty = tokenize([""]).to(self.device)
        self._text: Any = build_text_encoder(int(self._empty.max()) + 1)
        self._unet: Any = build_unet()
        if start is not None:
            load_start(self._text, start / "text_encoder")
            load_start(self._unet, start / "unet")
        self.module = torch.nn.ModuleDict({"unet": self._unet, "text_encoder": self._text})
        self.module.to(self.device)
        self._unet.to(memory_format=torch.channels_last)
        embeddings = [p for name, p in self._text.named_parameters() if "embedding" in name]
        self.plain = [*embeddings, self._unet.conv_in.weight, self._unet.conv_out.weight]
        self._data = {name: value.to(self.device) for name, value in read_latents(latents).items()}
        held = read_safetensors(latents / "held_out.safetensors")
        self._held = {name: value[:JUDGED].to(self.device) for name, value in held.items()}

    def compute_loss(self, share: float) -> Tensor:
        """Weighted error of the predicted noise."""
        chosen, variants = self.choose(len(self._data["z"])), self.choose(self._data["tokens"].shape[1])
        tokens = self._data["tokens"][chosen, variants].long()
        tokens = torch.where(torch.rand(self.batch, 1, device=self.device) < UNPROMPTED, self._empty, tokens)
        latents = self._data["z"][chosen].float()
        return self._compare(latents, tokens, draw_steps(self.batch, self.device), torch.randn_like(latents))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same error on scenes that are only judged, with fixed noise and evenly spread steps."""
        latents, tokens = self._held["z"].float(), self._held["tokens"].long()
        return {"validation": float(self._compare(latents, tokens, *draw_fixed(latents)))}

    def _compare(self, latents: Tensor, tokens: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        noisy = add_noise(latents, noise, steps).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            answer = self._unet(noisy, steps, self._text(tokens).last_hidden_state).sample
        return weigh_error(answer, noise, steps)
