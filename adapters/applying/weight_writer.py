"""The patched content of single weights of a live model, with changes kept between calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from .accumulate import ComputedChange, Workspace, compute_change, write_sequential, write_sum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..deltas.base import Delta
    from .originals import Replacement
    from .plan import Change, Plan
    from .weight_access import Target, WeightAccess

    Targets = dict[Target, list[Change]]

Order = Literal["base", "sequential"]
Address = tuple[str, str]
"""Part and tensor key."""


class WeightWriter:
    """Writes original plus changes into buffers; a change that is no product is computed once per original."""

    def __init__(self, parts: Mapping[str, WeightAccess], order: Order) -> None:
        self._parts = parts
        self._order: Order = order
        self._changes: dict[tuple[Any, ...], tuple[Delta, Tensor | None, ComputedChange]] = {}
        """(part, key, module, parameter, id of the delta) → the delta and the original, kept alive, and the change at
        strength 1."""
        self._workspace = Workspace()

    def forget(self) -> None:
        """Free all memory."""
        self._changes.clear()
        self._workspace = Workspace()

    def keep_changes(self, plan: Plan) -> None:
        """Forget the changes that a plan does not need."""
        wanted = {
            (*address, *target, id(change.delta))
            for address, targets in plan.targets.items()
            for target, changes in targets.items()
            for change in changes
        }
        self._changes = {name: change for name, change in self._changes.items() if name in wanted}

    def write(self, address: Address, targets: Targets, one: Replacement) -> None:
        """A weight that is stored as it is."""
        if one.original is not None and self._parts[address[0]].shares[address[1]] > len(targets):
            one.buffer.copy_(one.original)
        self._write_targets(address, targets, one.original, one.original, one.buffer)

    def write_codes(self, address: Address, targets: Targets, one: Replacement, scale: Replacement) -> None:
        """A weight of codes and a scale: computed as a whole, and stored in that form again."""
        assert one.original is not None
        storage = self._parts[address[0]].find_storage(address[1])
        base = storage.decode(one.original, scale.original)
        total = base.clone()
        self._write_targets(address, targets, one.original, base, total)
        codes, grown = storage.encode(total, scale.original)
        assert grown is not None
        one.buffer.copy_(codes)
        scale.buffer.copy_(grown)

    def _write_targets(
        self, address: Address, targets: Targets, original: Tensor | None, base: Tensor | None, buffer: Tensor
    ) -> None:
        weights = self._parts[address[0]]
        for target, changes in targets.items():
            slot = weights.slots.get(target) or weights.bias_slot(target[0])
            assert slot is not None
            into = slot.view(buffer)
            own = torch.zeros_like(into, dtype=torch.float32) if base is None else slot.view(base.detach())
            if is_sequential(changes, target, self._order):
                write_sequential(into, own, [(change.delta, change.strength) for change in changes])
            else:
                computed = [
                    (self._get_change((*address, *target), c.delta, own, original), c.strength) for c in changes
                ]
                write_sum(into, own, computed, self._workspace)

    def _get_change(
        self, place: tuple[Any, ...], delta: Delta, base: Tensor, original: Tensor | None
    ) -> ComputedChange:
        name = (*place, id(delta))
        known = self._changes.get(name)
        if known is not None and known[1] is original:
            return known[2]
        change = compute_change(delta, base, place[-1])
        if change.down is None:  # factors are widened again when needed: that costs little and they stay small
            self._changes[name] = delta, original, change
        return change


def is_sequential(changes: Sequence[Change], target: Target, order: Order) -> bool:
    """Whether the order matters: sequential was chosen and a change depends on the weight it meets."""
    return order == "sequential" and target[1] == "weight" and any(change.delta.uses_base for change in changes)
