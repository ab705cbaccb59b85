"""ControlNets and T2I adapters in the loop: when they steer, how strongly, and their residuals summed.

Modes, soft weights and shares of steps are those of sd-webui-controlnet (github.com/Mikubill/sd-webui-controlnet):
"prompt" weakens the layers of both parts of guidance by 0.825 ** k, "control" does so and steers the prompt's part
only. With ComfyUI's samplers the shares are of the noise schedule, as in ComfyUI.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ...core.errors import BadParameter
from .latents import place
from .rows import share_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from ..sampling.plan import Plan
    from .units import ControlUnit

SOFT_BASE = 0.825
SOFT_LAYERS = 13
"""Residuals of SD1's ControlNets, by which the weights of all are counted."""
SOFT_ADAPTER = (0.25, 0.62, 0.825, 1.0)
EMBEDDING = "controlnet_cond_embedding"


class Batch(NamedTuple):
    """One call of the UNet: latents [n, C, h, w], steps [n], states [n, T, D], SDXL's own, and which of the n belong to
    the prompt; the others belong to the negative prompt."""

    latents: Tensor
    steps: Tensor
    states: Tensor
    added: dict[str, Tensor] | None
    prompted: list[bool]

    def select(self, rows: list[int]) -> Batch:
        """Some of the n."""
        added = {name: value[rows] for name, value in self.added.items()} if self.added else None
        prompted = [self.prompted[row] for row in rows]
        return Batch(self.latents[rows], self.steps[rows], self.states[rows], added, prompted)


class Controls:
    """All units of a picture. Hints are read once; `hold` must be around the calls."""

    def __init__(self, units: Sequence[ControlUnit], plan: Plan, index: int = 0) -> None:
        """index: of the picture, whose hint is taken where there is one for each. Raises BadParameter."""
        self._plan = plan
        self._readers = [_READERS.get(unit.network.form, _NetReader)(unit, index) for unit in units]

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let networks take what was read of their hints."""
        with ExitStack() as stack:
            for reader in self._readers:
                stack.enter_context(reader.hold())
            yield

    def steer(self, batch: Batch, sigma: float, share: float) -> dict[str, Any]:
        """What the UNet is called with. share: of the steps that are done, as A1111 counts."""
        found: dict[str, list[Tensor]] = {}
        for reader in self._readers:
            if not _is_active(reader.unit, self._plan, sigma, share):
                continue
            rows = [row for row, own in enumerate(batch.prompted) if own or not reader.prompt_only]
            if not rows:
                continue
            residuals = reader.read(batch if len(rows) == len(batch.prompted) else batch.select(rows))
            spread = [_spread(value, rows, len(batch.prompted)) for value in residuals]
            before = found.get(reader.slot)
            found[reader.slot] = spread if before is None else [a + b for a, b in zip(before, spread, strict=True)]
        arguments: dict[str, Any] = {}
        if "net" in found:
            arguments["down_block_additional_residuals"] = found["net"][:-1]
            arguments["mid_block_additional_residual"] = found["net"][-1]
        if "adapter" in found:
            arguments["down_intrablock_additional_residuals"] = found["adapter"]
        return arguments


def _spread(value: Tensor, rows: list[int], count: int) -> Tensor:
    """Residuals of some rows among zeros."""
    if len(rows) == count:
        return value
    whole = value.new_zeros(count, *value.shape[1:])
    whole[rows] = value
    return whole


def _is_active(unit: ControlUnit, plan: Plan, sigma: float, share: float) -> bool:
    if plan.choice.host == "a1111":
        return unit.start <= share <= unit.end
    return _find_sigma(plan, unit.end) <= sigma <= _find_sigma(plan, unit.start)


def _find_sigma(plan: Plan, share: float) -> float:
    """The sigma after a share of the noise schedule."""
    if share <= 0 or share >= 1:
        return float("inf") if share <= 0 else 0.0
    return float(plan.source.to_sigma(torch.tensor((1 - share) * plan.source.last)))


class _Reader:
    slot = ""

    def __init__(self, unit: ControlUnit, index: int) -> None:
        network = unit.network.network
        self.unit, self.network = unit, network
        self.hint = place(unit.hint[min(index, len(unit.hint) - 1)][None], network)
        pools = bool(getattr(getattr(network, "config", None), "global_pool_conditions", False))
        self.prompt_only = unit.mode == "control" or pools

    @contextmanager
    def hold(self) -> Generator[None]:
        yield

    def read(self, batch: Batch) -> list[Tensor]:
        raise NotImplementedError


class _NetReader(_Reader):
    """A ControlNet: residuals of each layer of the encoder, and of the middle."""

    slot = "net"

    def __init__(self, unit: ControlUnit, index: int) -> None:
        super().__init__(unit, index)
        order = getattr(getattr(self.network, "config", None), "controlnet_conditioning_channel_order", "rgb")
        reader = getattr(self.network, EMBEDDING, None)
        self.embedded = isinstance(reader, torch.nn.Module) and order == "rgb"
        if isinstance(reader, torch.nn.Module) and self.embedded:
            with torch.no_grad():
                self.hint = reader(self.hint)

    @contextmanager
    def hold(self) -> Generator[None]:
        """The network reads its hint at every call; for a while it is given what was read."""
        if not self.embedded:
            with share_rows(self.network):
                yield
            return
        own = getattr(self.network, EMBEDDING)
        setattr(self.network, EMBEDDING, torch.nn.Identity())
        try:
            with share_rows(self.network):
                yield
        finally:
            setattr(self.network, EMBEDDING, own)

    def options(self, count: int) -> dict[str, Any]:
        return {"controlnet_cond": self.hint.expand(count, -1, -1, -1), "return_dict": False}

    def read(self, batch: Batch) -> list[Tensor]:
        down, middle = self.network(
            batch.latents[:, :4],
            batch.steps,
            encoder_hidden_states=batch.states,
            added_cond_kwargs=batch.added,
            **self.options(len(batch.latents)),
        )
        residuals = [*down, middle]
        soft = self.unit.mode != "balanced"
        weights = [SOFT_BASE ** (SOFT_LAYERS - 1 - layer) if soft else 1.0 for layer in range(len(residuals))]
        return [residual * (self.unit.weight * weight) for residual, weight in zip(residuals, weights, strict=True)]


class _UnionReader(_NetReader):
    """One network for many kinds of maps, which is given the kinds."""

    def __init__(self, unit: ControlUnit, index: int) -> None:
        super().__init__(unit, index)
        self.kinds = int(self.network.config.num_control_type)
        if not unit.modes or not all(0 <= mode < self.kinds for mode in unit.modes):
            known = ", ".join(unit.network.modes) or f"0 to {self.kinds - 1}"
            raise BadParameter(
                f"modes {list(unit.modes)} are not kinds of map of this union ControlNet",
                where=unit.network.name,
                fix=f"choose from {known}",
            )

    def options(self, count: int) -> dict[str, Any]:
        kinds = self.hint.new_zeros(count, self.kinds)
        kinds[:, list(self.unit.modes)] = 1
        hints = [self.hint.expand(count, -1, -1, -1)] * len(self.unit.modes)
        own = {"control_type": kinds, "control_type_idx": list(self.unit.modes)}
        return super().options(count) | {"controlnet_cond": hints} | own


class _AdapterReader(_Reader):
    """A T2I adapter: its features depend on the map only."""

    slot = "adapter"

    def __init__(self, unit: ControlUnit, index: int) -> None:
        super().__init__(unit, index)
        channels = int(self.network.config.in_channels)
        with torch.no_grad():
            self.features: list[Tensor] = self.network(self.hint[:, :channels])

    def read(self, batch: Batch) -> list[Tensor]:
        weights = SOFT_ADAPTER if self.unit.mode != "balanced" else (1.0,) * len(self.features)
        return [
            (feature * (self.unit.weight * weight)).expand(len(batch.latents), -1, -1, -1)
            for feature, weight in zip(self.features, weights, strict=False)
        ]


_READERS: dict[str, type[_Reader]] = {"union": _UnionReader, "t2i": _AdapterReader}
