"""Adapters on a live model. Originals are never written: patched weights are other tensors, and clearing puts the
original objects back, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from ..modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET
from .accumulate import Ready, Space, ready, write_in_turn, write_sum
from .buffers import like
from .plan import Blocks, Change, check_receipt, plan, receipt_of
from .weight_access import Holder, Target, hold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from ..modules.targets import Slot
    from .plan import Work
    from .receipt import Receipt

Order = Literal["base", "sequential"]
Place = tuple[str, str]
"""Part and tensor key."""
__all__ = ["Blocks", "Change", "Order", "Patcher", "in_turn"]


@dataclass
class Patched:
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
        self._holders: dict[str, Holder] = {
            part: hold(part, model) for part, model in parts.items() if model is not None
        }
        self._order: Order = order
        self._patched: dict[Place, Patched] = {}
        self._changes: dict[tuple[Any, ...], tuple[Delta, Ready]] = {}
        """(part, key, module, parameter, id of the delta) → the delta, kept alive, and its change at strength 1."""
        self._space = Space()
        self._taken = 0
        """Bytes of buffers that were allocated since nothing was patched."""

    def set(
        self,
        wishes: Sequence[tuple[Adapter, float, float] | tuple[Adapter, float, float, Blocks | None]],
        *,
        allow_empty: bool = False,
    ) -> Receipt:
        """Make exactly these adapters active: (adapter, unet strength, text encoder strength[, block weights]).

        Replaces what was set before. Raises BadWeights when an adapter matches nothing, unless allow_empty; after any
        exception the model is as it was without adapters.
        """
        try:
            self._forget_foreign_writes()
            work = plan(self._holders, wishes)
            receipt = receipt_of(wishes, work)
            check_receipt(receipt, allow_empty=allow_empty)
            self._drop_unused(work)
            with torch.no_grad():
                self._take_buffers(work)
                for place, targets in work.targets.items():
                    self._patch(place, targets)
        except BaseException:
            self.clear()
            raise
        return receipt

    def clear(self) -> None:
        """Put every original back and free what patching took."""
        self._forget_foreign_writes()
        self._put_back(list(self._patched))
        self._changes.clear()
        self._space = Space()

    def __enter__(self) -> Patcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _put_back(self, places: list[Place]) -> None:
        for part, key in places:
            self._holders[part].put(key, self._patched.pop((part, key)).original)
        if not self._patched:
            self._taken = 0

    def _forget_foreign_writes(self) -> None:
        """A checkpoint loaded over patched weights makes those the new originals: nothing old is put back.

        Weights that were only moved or cast (``model.to(...)``, offloading) are still ours: their originals are put
        back, moved and cast as they were.
        """
        foreign = {place: patched for place, patched in self._patched.items() if not self._is_ours(place, patched)}
        for place, patched in foreign.items():
            holder, now = self._holders[place[0]], self._holders[place[0]].get(place[1])
            del self._patched[place]
            if now is not None and _only_moved(now, patched):
                holder.put(place[1], _moved_like(patched.original, now))
        if foreign:
            self._changes = {name: change for name, change in self._changes.items() if name[:2] not in foreign}

    def _is_ours(self, place: Place, patched: Patched) -> bool:
        now = self._holders[place[0]].get(place[1])
        if now is None or now.data_ptr() != patched.buffer.data_ptr():
            return False
        return patched.version is None or patched.version == _version(now)

    def _drop_unused(self, work: Work) -> None:
        """Forget what is not wanted any more; when that is most of the memory, start anew so that it is released."""
        self._put_back([place for place in self._patched if place not in work.targets])
        if 2 * sum(patched.buffer.nbytes for patched in self._patched.values()) < self._taken:
            self._put_back(list(self._patched))
        wanted = {
            (*place, *target, id(change.delta))
            for place, targets in work.targets.items()
            for target, changes in targets.items()
            for change in changes
        }
        self._changes = {name: change for name, change in self._changes.items() if name in wanted}

    def _take_buffers(self, work: Work) -> None:
        found = {place: self._holders[place[0]].get(place[1]) for place in work.targets if place not in self._patched}
        originals = {place: original for place, original in found.items() if original is not None}
        buffers = like(originals)
        for place, original in found.items():
            buffer = self._new_bias(place[0], work.targets[place]) if original is None else buffers[place]
            self._patched[place] = Patched(original, buffer)
            self._taken += buffer.nbytes

    def _new_bias(self, part: str, targets: dict[Target, list[Change]]) -> Tensor:
        """Room for a bias that the layer does not have, like its weight."""
        ((module, _), changes), *_ = targets.items()
        holder, bias = self._holders[part], changes[0].delta.bias
        weight = holder.get(holder.slots[module, "weight"].key)
        assert bias is not None
        assert weight is not None
        return torch.empty(bias.numel(), dtype=weight.dtype, device=weight.device)

    def _patch(self, place: Place, targets: dict[Target, list[Change]]) -> None:
        part, key = place
        holder, patched = self._holders[part], self._patched[place]
        patched.version = None  # should this be interrupted, the half-written buffer is still known as ours
        if patched.original is not None and holder.shares[key] > len(targets):
            patched.buffer.copy_(patched.original)
        for target, changes in targets.items():
            slot = holder.slots.get(target) or holder.bias_slot(target[0])
            assert slot is not None
            self._write(place, target, slot, patched, changes)
        now = holder.get(key)
        if now is None or now.data_ptr() != patched.buffer.data_ptr():
            holder.put(key, patched.buffer)
        patched.version = _version(holder.get(key))

    def _write(self, place: Place, target: Target, slot: Slot, patched: Patched, changes: list[Change]) -> None:
        into = slot.view(patched.buffer)
        if patched.original is None:
            base = torch.zeros_like(into, dtype=torch.float32)
        else:
            base = slot.view(patched.original.detach())
        if in_turn(changes, target, self._order):
            write_in_turn(into, base, [(change.delta, change.strength) for change in changes])
        else:
            write_sum(
                into, base, [(self._ready(place, target, c.delta, base), c.strength) for c in changes], self._space
            )

    def _ready(self, place: Place, target: Target, delta: Delta, base: Tensor) -> Ready:
        name = (*place, *target, id(delta))
        if name in self._changes:
            return self._changes[name][1]
        made = ready(delta, base, target[1])
        if made.down is None:  # factors are widened again when needed: that costs little and they stay small
            self._changes[name] = delta, made
        return made


def in_turn(changes: Sequence[Change], target: Target, order: Order) -> bool:
    """Whether the order matters: sequential was asked for and a change depends on the weight it meets."""
    return order == "sequential" and target[1] == "weight" and any(change.delta.uses_base for change in changes)


def _version(tensor: Tensor | None) -> int:
    """How often a tensor was written in place; inference tensors do not count."""
    return -1 if tensor is None or tensor.is_inference() else tensor._version


def _only_moved(now: Tensor, patched: Patched) -> bool:
    """Whether a model's tensor is what we wrote, on another device or in another dtype."""
    buffer = patched.buffer
    if patched.version is None or now.shape != buffer.shape or now.device.type == "meta":
        return False
    return now.data_ptr() != buffer.data_ptr() and torch.equal(now.detach(), buffer.to(now.device, now.dtype))


def _moved_like(original: Tensor | None, now: Tensor) -> Tensor | None:
    """The original on that tensor's device and in its dtype: the same object where nothing is to be done."""
    if original is None or (original.device, original.dtype) == (now.device, now.dtype):
        return original
    moved = original.detach().to(now.device, now.dtype)
    return nn.Parameter(moved, requires_grad=original.requires_grad) if isinstance(original, nn.Parameter) else moved
