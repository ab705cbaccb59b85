from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from underdrawing.pipeline.reference.scoring.sampling import Sampler

pytestmark = pytest.mark.skipif(find_spec("diffusers") is None, reason="the extra pipeline is not installed")


class Unet(nn.Module):
    """Predicts its words' mean, and notes how many rows it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, latents: Tensor, steps: Tensor, words: Tensor, **options: Any) -> SimpleNamespace:
        assert len(latents) == len(steps) == len(words)
        assert all(len(more) == len(latents) for more in options.get("down_block_additional_residuals", ()))
        self.rows.append(len(latents))
        return SimpleNamespace(sample=latents * 0.5 + words.mean((1, 2))[:, None, None, None])


class Text(nn.Module):
    def forward(self, tokens: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=tokens[..., None].float())


class Vae(nn.Module):
    def decode(self, latents: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=latents[:, :3])


class Control(nn.Module):
    def forward(self, latents: Tensor, _steps: Tensor, _words: Tensor, hint: Tensor, **_: Any) -> Any:
        assert len(hint) == len(latents)
        return [latents], latents


@pytest.mark.parametrize("controls", [(), [(Control(), torch.zeros(2, 3, 128, 128))]])
def test_steps_are_computed_once_where_there_is_nothing_to_guide_by(controls: Any) -> None:
    empty = torch.zeros(1, 77, dtype=torch.long)
    pictures = {}
    for level, rows in ((0, 2), (1, 4)):
        unet = Unet()
        sampler = Sampler(unet, Text(), Vae(), torch.device("cpu"))
        tokens = torch.full((2, 77), level)
        pictures[level] = sampler.draw(tokens, [1, 2], controls, empty=empty, steps=2)
        assert unet.rows == [rows] * 2
    assert (pictures[0] != pictures[1]).any()
