"""Text encoder and UNet as a run has trained them so far, or as the weights that it starts from have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....core.errors import BadParameter
from ..networks import build_text_encoder, build_unet
from .latents import tokenize
from .loop import read_average
from .starting import copy_weights, load_start

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn


def load_text_encoder(run: Path, start: Path | None = None) -> Any:
    """The text encoder, frozen. start: weights where the run has none. Raises BadParameter, BadWeights."""
    text = build_text_encoder(int(tokenize([""]).max()) + 1)
    return _load(text, run / "text.safetensors", "text_encoder", start)


def load_unet(run: Path, start: Path | None = None) -> Any:
    """The UNet, frozen. start: weights where the run has none. Raises BadParameter, BadWeights."""
    return _load(build_unet(), run / "base.safetensors", "unet", start)


def _load(module: nn.Module, path: Path, part: str, start: Path | None) -> nn.Module:
    if path.exists():
        prefix = f"{part}."
        average = {name.removeprefix(prefix): v for name, v in read_average(path).items() if name.startswith(prefix)}
        copy_weights(module, average, where=str(path))
    elif start is not None:
        load_start(module, start / part)
    else:
        raise BadParameter(f"{path.stem} is not trained yet", where=str(path.parent), fix=f"train {path.stem} first")
    return module.requires_grad_(False).eval()


class Words:
    """What a frozen text encoder makes of the captions of a run, each encoded once.

    tokens: [N, VARIANTS, 77]. Half precision, so that it stays small: 0.4 GB for 5,000 scenes.
    """

    def __init__(self, text: Any, tokens: Tensor) -> None:
        empty = tokenize([""]).to(tokens)
        rows = torch.cat([empty, tokens.flatten(0, 1)])
        self._rows, index = rows.unique(dim=0, return_inverse=True)
        self._empty, self._index = index[0], index[1:].view(tokens.shape[:2])
        self._text = text
        shape = (len(self._rows), rows.shape[1], text.config.hidden_size)
        self._values = torch.empty(shape, dtype=torch.float16, device=tokens.device)
        self._known = torch.zeros(len(self._rows), dtype=torch.bool, device=tokens.device)

    def read(self, chosen: Tensor, unprompted: float) -> Tensor:
        """A random caption of each scene, [B, 77, width]. unprompted: share that gets the empty prompt instead."""
        variants = torch.randint(0, self._index.shape[1], chosen.shape, device=chosen.device)
        index = self._index[chosen, variants]
        index = torch.where(torch.rand(chosen.shape, device=chosen.device) < unprompted, self._empty, index)
        self._encode(index[~self._known[index]].unique())
        return self._values[index].float()

    @torch.no_grad()
    def _encode(self, missing: Tensor) -> None:
        if len(missing):
            self._values[missing] = self._text(self._rows[missing].long()).last_hidden_state.half()
            self._known[missing] = True
