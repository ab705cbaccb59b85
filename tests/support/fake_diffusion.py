"""Stand-ins for the networks of a base model, without diffusers: they note their calls, and answer simply."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.denoising.units import Conditioning, ControlUnit
from underdrawing.pipeline.models.model import ControlNetwork, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

LAYERS = 13


class Network(nn.Module):
    """Notes the arguments of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)
        self.calls: list[dict[str, Any]] = []


class FakeUnet(Network):
    """Answers a part of the latents, of the states' mean, and of the residuals."""

    def forward(self, latents: Tensor, steps: Tensor, **more: Any) -> tuple[Tensor]:
        self.calls.append({"latents": latents, "steps": steps, **more})
        answer = latents[:, :4] * 0.5 + more["encoder_hidden_states"].mean((1, 2)).reshape(-1, 1, 1, 1)
        for residual in more.get("down_block_additional_residuals", ()):
            answer = answer + residual
        if more.get("added_cond_kwargs"):
            answer = answer + more["added_cond_kwargs"]["text_embeds"].mean(1).reshape(-1, 1, 1, 1)
        return (answer,)


class FakeControl(Network):
    """A ControlNet whose residuals are the hint's mean."""

    def __init__(self, layers: int = LAYERS) -> None:
        super().__init__()
        self.config = SimpleNamespace(global_pool_conditions=False, in_channels=3, num_control_type=4)
        self.controlnet_cond_embedding = Reader()
        self.layers = layers

    def forward(self, latents: Tensor, steps: Tensor, **more: Any) -> tuple[list[Tensor], Tensor]:
        self.calls.append({"latents": latents, "steps": steps, **more})
        hint = more["controlnet_cond"]
        read = self.controlnet_cond_embedding(hint[0] if isinstance(hint, list) else hint)
        residual = read.mean((1, 2, 3)).reshape(-1, 1, 1, 1).expand_as(latents)
        return [residual] * (self.layers - 1), residual


class Reader(nn.Module):
    """Counts how often it reads a hint."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, hint: Tensor) -> Tensor:
        self.count += 1
        return hint


class FakeAdapter(Network):
    """A T2I adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(in_channels=1)

    def forward(self, hint: Tensor) -> list[Tensor]:
        self.calls.append({"hint": hint})
        return [hint.mean().reshape(1, 1, 1, 1).expand(1, 4, 8, 8)] * 4


class FakeVae(nn.Module):
    """Every 8th pixel, and back again; three channels and their mean."""

    def decode(self, latents: Tensor, **_: Any) -> tuple[Tensor]:
        return (latents[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3),)

    def encode(self, planes: Tensor, **_: Any) -> tuple[Any]:
        small = planes[..., ::8, ::8]
        return (SimpleNamespace(mean=torch.cat([small, small.mean(1, keepdim=True)], 1)),)


class Prompt:
    """The same parts at every step; notes when it was asked."""

    def __init__(self, *parts: Conditioning) -> None:
        self.parts = parts
        self.calls: list[tuple[int, int]] = []

    def at(self, step: int, total: int) -> Sequence[Sequence[Conditioning]]:
        self.calls.append((step, total))
        return [self.parts]


def make_fake_model(*, channels: int = 4, prediction: str = "epsilon", sdxl: bool = False) -> Model:
    """A base model of stand-ins."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return Model(
        name="fake",
        family="sdxl" if sdxl else "sd1",
        prediction=prediction,  # type: ignore[arg-type]
        unet=FakeUnet(),
        vae=FakeVae(),
        text_encoders=(),
        tokenizers=(),
        alphas=(1 - betas).cumprod(0).float(),
        scaling_factor=0.5,
        channels=channels,
        placement=Placement(),
    )


def make_fake_unit(network: nn.Module | None = None, form: str = "controlnet", hint: float = 0.5, **more: Any) -> Any:
    """A ControlNet with an even hint."""
    own = ControlNetwork(name="fake", form=form, family="sd1", network=network or FakeControl())  # type: ignore[arg-type]
    return ControlUnit(network=own, hint=torch.full((1, 3, 64, 64), hint), **more)


def make_conditioning(
    value: float, *, windows: int = 1, weight: float = 1.0, pooled: float | None = None
) -> Conditioning:
    """States of one value."""
    own = {} if pooled is None else {"pooled": torch.full((1, 4), pooled), "ids": torch.zeros(1, 6)}
    return Conditioning(states=torch.full((1, 77 * windows, 2), value), weight=weight, **own)
