"""Training of the VAE: pictures and their other looks, crops first and whole pictures later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..networks import build_vae
from .data import read_scenes
from .loop import Part
from .starting import load_start

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ....core.networks.placement import Placement

CROP = 64
WHOLE_EVERY, WHOLE_FROM = 5, 0.8
"""Every fifth step sees whole pictures, and after this share of the time all do."""
THING_CLASSES = (4, 12, 25, 55, 119)
"""Their pixels weigh three times as much."""
JUDGED = 16


class VaePart(Part):
    """Latents of 4 channels, 8 times smaller; the decoder learns to bear a little noise on them.

    decoder_only: the encoder stays as it is, so that what was trained on its latents still fits.
    """

    name = "vae"
    batches = (8, 128)
    decay = 0.9985

    def __init__(
        self,
        placement: Placement,
        scenes: Path,
        *,
        start: Path | None = None,
        decoder_only: bool = False,
        batch: int = 0,
    ) -> None:
        super().__init__(placement, batch)
        self.module: Any = build_vae()
        if start is not None:
            load_start(self.module, start)
        if decoder_only:
            for part in (self.module.encoder, self.module.quant_conv):
                part.requires_grad_(False)
        self.module.to(self.device, memory_format=torch.channels_last)
        fields = read_scenes(scenes, ("pictures", "styles", "classes"))
        pictures, styles = fields["pictures"], fields["styles"]
        self._pictures = torch.from_numpy(np.concatenate([pictures, styles])).to(self.device)
        weights = 1 + 2 * np.isin(fields["classes"], THING_CLASSES).astype(np.uint8)
        flat = np.ones((len(styles), *weights.shape[1:]), np.uint8)
        self._weights = torch.from_numpy(np.concatenate([weights, flat])).to(self.device)
        held = read_scenes(scenes, ("pictures", "styles"), held_out=True)
        self._held = {
            name: to_planes(torch.from_numpy(held[name][:JUDGED]).to(self.device)) for name in ("pictures", "styles")
        }
        self._count = 0

    def compute_loss(self, share: float) -> Tensor:
        """Distance of the picture and of its gradients."""
        self._count += 1
        pictures, weights = self._draw(whole=share > WHOLE_FROM or self._count % WHOLE_EVERY == 0)
        with self.autocast():
            latents = self.module.encode(pictures).latent_dist.mean
            spread = latents.detach().std((0, 2, 3), keepdim=True) * 0.1 * float(torch.rand(()))
            decoded = self.module.decode(latents + spread * torch.randn_like(latents)).sample
        error = decoded.float() - pictures
        flat = (weights * (error.abs() + 2 * error.square())).mean()
        down = (weights[..., 1:, :] * (error[..., 1:, :] - error[..., :-1, :]).abs()).mean()
        across = (weights[..., 1:] * (error[..., 1:] - error[..., :-1]).abs()).mean()
        return flat + down + across + 1e-4 * latents.float().square().mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean PSNR in decibels, of pictures and of the other looks."""
        return {f"psnr_{name}": self._measure(pictures) for name, pictures in self._held.items()}

    def _measure(self, pictures: Tensor) -> float:
        found = [self.module.decode(self.module.encode(p).latent_dist.mean).sample for p in pictures.split(8)]
        error = (torch.cat(found).clamp(-1, 1) - pictures) / 2
        return float(-10 * error.square().mean((1, 2, 3)).log10().mean())

    def _draw(self, *, whole: bool) -> tuple[Tensor, Tensor]:
        count, size = (max(self.batch // 4, 1), 128) if whole else (self.batch, CROP)
        chosen = self.choose(len(self._pictures))[:count]
        top, left = (0, 0) if whole else (int(x) for x in torch.randint(0, 9, (2,)) * 8)
        window = (chosen, slice(top, top + size), slice(left, left + size))
        pictures, weights = to_planes(self._pictures[window]), self._weights[window][:, None].float()
        if torch.rand(()) < 0.5:
            pictures, weights = pictures.flip(3), weights.flip(3)
        return pictures.contiguous(memory_format=torch.channels_last), weights / weights.mean()


def to_planes(pictures: Tensor) -> Tensor:
    """Pictures uint8 [N, H, W, 3] as the VAE takes them, -1 to 1 [N, 3, H, W]."""
    return (pictures.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
