"""Training of a ControlNet's map reader alone, before the ControlNet: it learns to tell latents from maps.

For inpainting, whose maps are pictures: a map reader must see in them what the VAE's encoder sees, and through the UNet
it learns that slowly. With a readout of one convolution behind it, it is held against the latents themselves where
nothing is erased. The readout is thrown away afterwards.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from ....core.tensor_files.safetensors_io import read_safetensors
from .controls import JUDGED, decode_maps, find_reader, start_control
from .latents import read_latents
from .loop import Part
from .trained import load_unet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ....core.networks.placement import Placement

KEPT = 0.003
"""How much it weighs that answers stay what a trained ControlNet behind them knows."""
SEEN = 0.99
"""Share of a latent's pixels that must be there for it to be told."""


class ReaderPart(Part):
    """A ControlNet's map reader, beginning as the ControlNet's. Arguments as of `ControlPart`."""

    rate = 4e-3
    batches = (24, 256)
    decay = 0.99

    def __init__(
        self, placement: Placement, kind: str, folder: Path, *, start: Path | None = None, batch: int = 0
    ) -> None:
        super().__init__(placement, batch)
        self.name = f"reader_{kind}"
        reader = find_reader(start_control(kind, load_unet(folder, start), start)).requires_grad_(True)
        self._known: Any = deepcopy(reader).requires_grad_(False).to(self.device) if start is not None else None
        data = read_latents(folder / "latents")
        readout = nn.Conv2d(reader.conv_out.out_channels, data["z"].shape[1], 3, padding=1)
        self.module = nn.ModuleDict({"reader": reader, "readout": readout}).to(self.device)
        self._reader, self._readout = reader, readout
        self.plain = [*readout.parameters()]
        held = read_safetensors(folder / "latents" / "held_out.safetensors")["z"][:JUDGED]
        maps = read_safetensors(folder / "maps" / f"{kind}.safetensors")
        self._latents, self._held = data["z"].to(self.device), held.to(self.device)
        self._maps, self._held_maps = maps["maps"].to(self.device), maps["held_out"][:JUDGED].to(self.device)

    def compute_loss(self, share: float) -> Tensor:
        """Error of the latents where nothing is erased, and how far answers went from those that are known."""
        chosen = self.choose(len(self._latents))
        maps = self._maps[chosen]
        answers = self._reader(decode_maps(maps))
        error = self._compare(answers, self._latents[chosen].float(), maps)
        if self._known is None:
            return error
        with torch.no_grad():
            known = self._known(decode_maps(maps))
        return error + KEPT * (answers - known).square().mean() / known.var().clamp(min=1e-6)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Root of the mean squared error of latents, whose deviation is 1, on scenes that are only judged."""
        answers = self._reader(decode_maps(self._held_maps))
        return {"validation": float(self._compare(answers, self._held.float(), self._held_maps).sqrt())}

    def _compare(self, answers: Tensor, latents: Tensor, maps: Tensor) -> Tensor:
        told = self._readout(answers)
        seen = (F.adaptive_avg_pool2d((maps[..., 3] < 128).float()[:, None], told.shape[-2:]) > SEEN).float()
        return ((told - latents).square().mean(1, keepdim=True) * seen).sum() / seen.sum().clamp(min=1)
