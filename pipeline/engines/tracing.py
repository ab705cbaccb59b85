"""Networks of diffusers as functions of tensors, in the order in which an engine hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class _Trace(nn.Module):
    """What is traced of a network."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self._network = network


class UnetTrace(_Trace):
    """A UNet. added: whether SDXL's two follow the states. residuals: of its encoder, and then of the middle; 0 for
    none."""

    def __init__(self, network: Any, added: bool, residuals: int) -> None:
        super().__init__(network)
        self._added, self._residuals = added, residuals

    def forward(self, latents: Tensor, steps: Tensor, states: Tensor, *more: Tensor) -> Tensor:
        """The UNet's answer, [B, 4, h, w]."""
        arguments: dict[str, Any] = _name_added(more) if self._added else {}
        if self._residuals:
            own = more[2 if self._added else 0 :]
            arguments["down_block_additional_residuals"] = own[: self._residuals]
            arguments["mid_block_additional_residual"] = own[self._residuals]
        return self._network(latents, steps, encoder_hidden_states=states, return_dict=False, **arguments)[0]


class ControlTrace(_Trace):
    """A ControlNet whose hint has been read. added: whether SDXL's two follow the hint."""

    def __init__(self, network: Any, added: bool) -> None:
        super().__init__(network)
        self._added = added

    def forward(
        self, latents: Tensor, steps: Tensor, states: Tensor, hint: Tensor, *more: Tensor
    ) -> tuple[Tensor, ...]:
        """Residuals of the encoder, and of the middle."""
        arguments: dict[str, Any] = _name_added(more) if self._added else {}
        down, middle = self._network(
            latents, steps, encoder_hidden_states=states, controlnet_cond=hint, return_dict=False, **arguments
        )
        return (*down, middle)


class DecoderTrace(_Trace):
    """A VAE from latents to planes."""

    def forward(self, latents: Tensor) -> Tensor:
        """Planes [B, 3, H, W]."""
        return self._network.decode(latents, return_dict=False)[0]


class EncoderTrace(_Trace):
    """A VAE from planes to latents."""

    def forward(self, planes: Tensor) -> Tensor:
        """The mean of latents [B, 4, h, w]."""
        return self._network.encode(planes, return_dict=False)[0].mean


def _name_added(more: tuple[Tensor, ...]) -> dict[str, Any]:
    return {"added_cond_kwargs": {"text_embeds": more[0], "time_ids": more[1]}}
