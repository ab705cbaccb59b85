"""Adapters on a live model. Originals are never written: patched weights are other tensors, and clearing puts the
original objects back, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from ..modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET
from .accumulate import ComputedChange, Workspace, compute_change, write_sequential, write_sum
from .buffers import allocate_like
from .plan import Blocks, Change, check_receipt, make_plan, make_receipt
from .weight_access import Target, WeightAccess, access_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from ..modules.targets import Slot
    from .plan import Plan
    from .receipt import Receipt

Order = Literal["base", "sequential"]
Address = tuple[str, str]
"""Part and tensor key."""
__all__ = ["Blocks", "Change", "Order", "Patcher", "is_sequential"]


@dataclass
class Replacement:
    """A replaced tensor: the original object, ours, and ours' version when we last wrote it; None while we write."""

    original: Tensor | None
    buffer: Tensor
    version: int | None = None


class Patcher:
    """Applies adapters to model parts and takes them off without a trace.

    Parts are diffusers / transformers modules or plain state dicts with the part's own keys (any known spelling).
    order: "base" computes every delta from the untouched weight and sums them; "sequential" feeds each delta the weight
    the one before left, as A1111 and ComfyUI do (the same for LoRA, not for DoRA, OFT, BOFT, GLoRA and IA3).
    As a context manager it clears when left.
    """

    def __init__(
        self,
        *,
        unet: nn.Module | dict[str, Tensor] | None = None,
        text_encoder: nn.Module | dict[str, Tensor] | None = None,
        text_encoder_2: nn.Module | dict[str, Tensor] | None = None,
        order: Order = "base",
    ) -> None:
        parts = {UNET: unet, TEXT_ENCODER: text_encoder, TEXT_ENCODER_2: text_encoder_2}
        self._parts: dict[str, WeightAccess] = {
            part: access_weights(part, model) for part, model in parts.items() if model is not None
        }
        self._order: Order = order
        self._patched: dict[Address, Replacement] = {}
        self._changes: dict[tuple[Any, ...], tuple[Delta, ComputedChange]] = {}
        """(part, key, module, parameter, id of the delta) → the delta, kept alive, and its change at strength 1."""
        self._workspace = Workspace()
        self._allocated = 0
        """Bytes of buffers that were allocated since nothing was patched."""

    def set(
        self,
        adapters: Sequence[tuple[Adapter, float, float] | tuple[Adapter, float, float, Blocks | None]],
        *,
        allow_empty: bool = False,
    ) -> Receipt:
        """Make exactly these adapters active: (adapter, unet strength, text encoder strength[, block weights]).

        Replaces what was set before. Raises BadWeights when an adapter matches nothing, unless allow_empty; after any
        exception the model is as it was without adapters.
        """
        try:
            self._accept_foreign_writes()
            plan = make_plan(self._parts, adapters)
            receipt = make_receipt(adapters, plan)
            check_receipt(receipt, allow_empty=allow_empty)
            self._drop_unused(plan)
            with torch.no_grad():
                self._allocate_buffers(plan)
                for address, targets in plan.targets.items():
                    self._patch(address, targets)
        except BaseException:
            self.clear()
            raise
        return receipt

    def clear(self) -> None:
        """Put every original back and free what patching took."""
        self._accept_foreign_writes()
        self._restore(list(self._patched))
        self._changes.clear()
        self._workspace = Workspace()

    def __enter__(self) -> Patcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _restore(self, addresses: list[Address]) -> None:
        for part, key in addresses:
            self._parts[part].put(key, self._patched.pop((part, key)).original)
        if not self._patched:
            self._allocated = 0

    def _accept_foreign_writes(self) -> None:
        """A checkpoint loaded over patched weights makes those the new originals: nothing old is put back.

        Weights that were only moved or cast (``model.to(...)``, offloading) are still ours: their originals are put
        back, moved and cast as they were.
        """
        foreign = {
            address: patched for address, patched in self._patched.items() if not self._is_ours(address, patched)
        }
        for address, patched in foreign.items():
            weights, now = self._parts[address[0]], self._parts[address[0]].get(address[1])
            del self._patched[address]
            if now is not None and _is_moved(now, patched):
                weights.put(address[1], _move_like(patched.original, now))
        if foreign:
            self._changes = {name: change for name, change in self._changes.items() if name[:2] not in foreign}

    def _is_ours(self, address: Address, patched: Replacement) -> bool:
        now = self._parts[address[0]].get(address[1])
        if now is None or now.data_ptr() != patched.buffer.data_ptr():
            return False
        return patched.version is None or patched.version == _get_version(now)

    def _drop_unused(self, plan: Plan) -> None:
        """Drop what is no longer needed; when that is most of the memory, restart so that it is released."""
        self._restore([address for address in self._patched if address not in plan.targets])
        if 2 * sum(patched.buffer.nbytes for patched in self._patched.values()) < self._allocated:
            self._restore(list(self._patched))
        wanted = {
            (*address, *target, id(change.delta))
            for address, targets in plan.targets.items()
            for target, changes in targets.items()
            for change in changes
        }
        self._changes = {name: change for name, change in self._changes.items() if name in wanted}

    def _allocate_buffers(self, plan: Plan) -> None:
        found = {
            address: self._parts[address[0]].get(address[1]) for address in plan.targets if address not in self._patched
        }
        originals = {address: original for address, original in found.items() if original is not None}
        buffers = allocate_like(originals)
        for address, original in found.items():
            buffer = self._allocate_bias(address[0], plan.targets[address]) if original is None else buffers[address]
            self._patched[address] = Replacement(original, buffer)
            self._allocated += buffer.nbytes

    def _allocate_bias(self, part: str, targets: dict[Target, list[Change]]) -> Tensor:
        """Room for a bias that the layer does not have, like its weight."""
        ((module, _), changes), *_ = targets.items()
        weights, bias = self._parts[part], changes[0].delta.bias
        weight = weights.get(weights.slots[module, "weight"].key)
        assert bias is not None
        assert weight is not None
        return torch.empty(bias.numel(), dtype=weight.dtype, device=weight.device)

    def _patch(self, address: Address, targets: dict[Target, list[Change]]) -> None:
        part, key = address
        weights, patched = self._parts[part], self._patched[address]
        patched.version = None  # should this be interrupted, the half-written buffer is still known as ours
        if patched.original is not None and weights.shares[key] > len(targets):
            patched.buffer.copy_(patched.original)
        for target, changes in targets.items():
            slot = weights.slots.get(target) or weights.bias_slot(target[0])
            assert slot is not None
            self._write(address, target, slot, patched, changes)
        now = weights.get(key)
        if now is None or now.data_ptr() != patched.buffer.data_ptr():
            weights.put(key, patched.buffer)
        patched.version = _get_version(weights.get(key))

    def _write(self, address: Address, target: Target, slot: Slot, patched: Replacement, changes: list[Change]) -> None:
        into = slot.view(patched.buffer)
        if patched.original is None:
            base = torch.zeros_like(into, dtype=torch.float32)
        else:
            base = slot.view(patched.original.detach())
        if is_sequential(changes, target, self._order):
            write_sequential(into, base, [(change.delta, change.strength) for change in changes])
        else:
            write_sum(
                into,
                base,
                [(self._get_change(address, target, c.delta, base), c.strength) for c in changes],
                self._workspace,
            )

    def _get_change(self, address: Address, target: Target, delta: Delta, base: Tensor) -> ComputedChange:
        name = (*address, *target, id(delta))
        if name in self._changes:
            return self._changes[name][1]
        change = compute_change(delta, base, target[1])
        if change.down is None:  # factors are widened again when needed: that costs little and they stay small
            self._changes[name] = delta, change
        return change


def is_sequential(changes: Sequence[Change], target: Target, order: Order) -> bool:
    """Whether the order matters: sequential was chosen and a change depends on the weight it meets."""
    return order == "sequential" and target[1] == "weight" and any(change.delta.uses_base for change in changes)


def _get_version(tensor: Tensor | None) -> int:
    """How often a tensor was written in place; inference tensors do not count."""
    return -1 if tensor is None or tensor.is_inference() else tensor._version


def _is_moved(now: Tensor, patched: Replacement) -> bool:
    """Whether a model's tensor is what we wrote, on another device or in another dtype."""
    buffer = patched.buffer
    if patched.version is None or now.shape != buffer.shape or now.device.type == "meta":
        return False
    return now.data_ptr() != buffer.data_ptr() and torch.equal(now.detach(), buffer.to(now.device, now.dtype))


def _move_like(original: Tensor | None, now: Tensor) -> Tensor | None:
    """The original on that tensor's device and in its dtype: the same object where nothing is to be done."""
    if original is None or (original.device, original.dtype) == (now.device, now.dtype):
        return original
    moved = original.detach().to(now.device, now.dtype)
    return nn.Parameter(moved, requires_grad=original.requires_grad) if isinstance(original, nn.Parameter) else moved
