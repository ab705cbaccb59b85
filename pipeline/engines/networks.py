"""Networks of diffusers that are called as before and computed by OpenVINO."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ...adapters.applying.originals import ORIGINALS
from ...core.networks.openvino import compile_module
from .tracing import ControlTrace, DecoderTrace, EncoderTrace, UnetTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.networks.placement import Placement

Addresses = tuple[int, ...]
Key = tuple[str, str, int]

_compiled: WeakKeyDictionary[nn.Module, dict[Key, tuple[Addresses, Any]]] = WeakKeyDictionary()
"""Of each network what was compiled of it, for which weights."""
_steered: WeakKeyDictionary[nn.Module, tuple[int, ...]] = WeakKeyDictionary()
"""Of UNets that a ControlNet has steered, channels of the residuals."""


class EngineNetwork:
    """A network of diffusers; what is asked of it besides calls, it answers itself.

    note: takes what runs in torch, and why. name: of the network, for notes.
    """

    def __init__(self, network: nn.Module, placement: Placement, note: Callable[[str], None], *, name: str) -> None:
        self._network: Any = network
        self._placement, self._note, self._name = placement, note, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._network, name, value)

    def _compute(self, trace: nn.Module, inputs: tuple[Tensor, ...], shapes: tuple[tuple[int, ...], ...]) -> Any:
        """What a part of the network answers, as tensors; None where it has to run in torch, which is reported."""
        if self._is_patched():
            self._explain("a LoRA is on it, and OpenVINO has its weights without it")
            return None
        try:
            compiled = self._compile(trace, inputs, shapes)
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            self._explain(f"OpenVINO cannot compile it ({str(error).strip().splitlines()[0][:200]})")
            return None
        results = compiled([value.detach().float().contiguous().numpy() for value in inputs])
        return [torch.from_numpy(results[index]) for index in range(len(compiled.outputs))]

    def _compile(self, trace: nn.Module, inputs: tuple[Tensor, ...], shapes: tuple[tuple[int, ...], ...]) -> Any:
        key = type(trace).__name__, self._placement.dtype, len(inputs)
        addresses = tuple(value.data_ptr() for value in self._network.parameters())
        held = _compiled.setdefault(self._network, {})
        if key not in held or held[key][0] != addresses:
            for other in [other for other in held if other[0] == key[0]]:
                del held[other]  # its weights' memory is needed
            held[key] = addresses, compile_module(trace.eval(), inputs, shapes, self._placement)
        return held[key][1]

    def _is_patched(self) -> bool:
        return any(ORIGINALS.find(value) is not None for value in self._network.parameters())

    def _explain(self, why: str) -> None:
        self._note(f"{self._name} runs in torch: {why}")


class EngineUnet(EngineNetwork):
    """A UNet2DConditionModel."""

    def __call__(self, latents: Tensor, steps: Tensor, **more: Any) -> Any:
        """As the UNet."""
        found = self._try(latents, steps, **more)
        return self._network(latents, steps, **more) if found is None else tuple(found)

    def _try(self, latents: Tensor, steps: Tensor, **more: Any) -> list[Tensor] | None:
        levels = 2 ** (len(self.config.block_out_channels) - 1)
        if latents.shape[2] % levels or latents.shape[3] % levels:
            self._explain(f"sides of the picture are no multiples of {levels} latent pixels")
            return None
        if "down_intrablock_additional_residuals" in more:
            self._explain("a T2I-adapter steers it")
            return None
        added = more.get("added_cond_kwargs") or {}
        residuals = self._list_residuals(more)
        states = more["encoder_hidden_states"]
        inputs = (latents, steps, states, *_list_added(added), *residuals)
        shapes = ((-1, latents.shape[1], -1, -1), (-1,), (-1, -1, states.shape[2]), *_list_added_shapes(added))
        shapes += tuple((-1, value.shape[1], -1, -1) for value in residuals)
        return self._compute(UnetTrace(self._network, bool(added), max(0, len(residuals) - 1)), inputs, shapes)

    def _list_residuals(self, more: dict[str, Any]) -> tuple[Tensor, ...]:
        """Of ControlNets; zeros at steps without one, so that one compiled network serves all steps."""
        if "down_block_additional_residuals" not in more:
            return tuple(torch.zeros(1, count, 1, 1) for count in _steered.get(self._network, ()))
        residuals = (*more["down_block_additional_residuals"], more["mid_block_additional_residual"])
        _steered[self._network] = tuple(value.shape[1] for value in residuals)
        return residuals


class EngineControl(EngineNetwork):
    """A ControlNetModel that is given a hint which has been read."""

    def __call__(self, latents: Tensor, steps: Tensor, **more: Any) -> Any:
        """As the ControlNet."""
        found = self._try(latents, steps, **more)
        return self._network(latents, steps, **more) if found is None else (found[:-1], found[-1])

    def _try(self, latents: Tensor, steps: Tensor, **more: Any) -> list[Tensor] | None:
        if not isinstance(self._network.controlnet_cond_embedding, nn.Identity):
            self._explain("it reads its map anew at every step")
            return None
        added, hint, states = (
            more.get("added_cond_kwargs") or {},
            more["controlnet_cond"],
            more["encoder_hidden_states"],
        )
        inputs = (latents, steps, states, hint, *_list_added(added))
        shapes = ((-1, latents.shape[1], -1, -1), (-1,), (-1, -1, states.shape[2]), (-1, hint.shape[1], -1, -1))
        return self._compute(ControlTrace(self._network, bool(added)), inputs, shapes + _list_added_shapes(added))


class EngineVae(EngineNetwork):
    """An AutoencoderKL."""

    def decode(self, latents: Tensor, **more: Any) -> Any:
        """As the VAE."""
        found = self._compute(DecoderTrace(self._network), (latents,), ((-1, latents.shape[1], -1, -1),))
        return self._network.decode(latents, **more) if found is None else tuple(found)

    def encode(self, planes: Tensor, **more: Any) -> Any:
        """As the VAE, with the mean only."""
        found = self._compute(EncoderTrace(self._network), (planes,), ((-1, planes.shape[1], -1, -1),))
        return self._network.encode(planes, **more) if found is None else (SimpleNamespace(mean=found[0]),)


def _list_added(added: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return (added["text_embeds"], added["time_ids"]) if added else ()


def _list_added_shapes(added: dict[str, Tensor]) -> tuple[tuple[int, ...], ...]:
    return tuple((-1, value.shape[1]) for value in _list_added(added))
