"""The patched content of single weights of a live model, with changes kept between calls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch

from ..modules.targets import Slot
from .accumulate import (
    ComputedChange,
    PlacedChange,
    SlotChange,
    Workspace,
    compute_change,
    join_products,
    write_sequential,
    write_sum,
    write_swapped,
)
from .originals import read_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from ..deltas.base import Delta
    from .originals import Replacement
    from .plan import Change, Plan
    from .weight_access import StateDictWeights, Target, WeightAccess

    Targets = dict[Target, list[Change]]
    Compute = Callable[[Target, Delta, Tensor], ComputedChange]

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
        version = read_version(one.original)
        known = one.largest if one.original_version == version else math.inf
        largest = self._write_targets(address, targets, one.original, one.original, one.buffer, known)
        one.largest, one.original_version = math.inf if largest is None else largest, version

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
        self,
        address: Address,
        targets: Targets,
        original: Tensor | None,
        base: Tensor | None,
        buffer: Tensor,
        largest: float | None = None,
    ) -> float | None:
        places = find_places(self._parts[address[0]], targets)
        into, own = buffer, torch.zeros_like(buffer, dtype=torch.float32) if base is None else base.detach()

        def compute(target: Target, delta: Delta, part: Tensor) -> ComputedChange:
            return self._get_change((*address, *target), delta, part, original)

        return write_places(into, own, places, self._order, compute, self._workspace, largest)

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


class Place(NamedTuple):
    """A module's parameter, where it stands in a tensor, and its changes."""

    target: Target
    slot: Slot
    changes: list[Change]


def find_places(weights: WeightAccess, targets: Targets) -> list[Place]:
    """Where the targets of one tensor stand in it."""
    places: list[Place] = []
    for target, changes in targets.items():
        slot = weights.slots.get(target) or weights.bias_slot(target[0])
        assert slot is not None
        places.append(Place(target, slot, changes))
    return places


def find_changed(
    parts: Mapping[str, StateDictWeights], work: Plan, adapters: set[int]
) -> Iterator[tuple[str, str, list[Place], Tensor]]:
    """Part, key, places and tensor of what the adapters with these numbers change; parts: weights by part."""
    for (part, key), targets in work.targets.items():
        base, found = parts[part].get(key), find_places(parts[part], targets)
        own = [place._replace(changes=[c for c in place.changes if c.adapter in adapters]) for place in found]
        if base is not None and any(place.changes for place in own):
            yield part, key, [place for place in own if place.changes], base


def write_places(
    into: Tensor,
    base: Tensor,
    places: Sequence[Place],
    order: Order,
    compute: Compute,
    space: Workspace,
    largest: float | None = None,
) -> float | None:
    """into = base with all changes, whose rows may overlap; the two have one shape.

    compute: the change of a target by a delta, of the part of base that is the target's. largest, and what is returned:
    see write_sum.
    """
    if places[0].slot.transposed:
        into, base = (places[0].slot.view(tensor) for tensor in (into, base))
        places = [place._replace(slot=Slot(place.slot.key)) for place in places]
    if any(is_sequential(place.changes, place.target, order) for place in places):
        found = [SlotChange(one.slot, c.adapter, c.delta, c.strength) for one in places for c in one.changes]
        write_sequential(into, base, found)
        return None
    return write_sum(into, base, place_changes(base, places, compute), space, largest=largest)


def place_changes(base: Tensor, places: Sequence[Place], compute: Compute) -> list[PlacedChange]:
    """The changes of one tensor, and the rows in which they stand; for targets that are not transposed."""
    placed: list[PlacedChange] = []
    for target, slot, changes in places:
        own, pieces = slot.view(base), () if slot.is_whole else slot.list_pieces(base.shape[0])
        placed += [PlacedChange(compute(target, c.delta, own), c.strength, pieces) for c in changes]
    return join_products(placed)


def apply_places(base: Tensor, places: Sequence[Place], strength: float = 1.0) -> Tensor:
    """base, float32, with all changes at strength times their own, each computed from base, which is not written."""
    total = base.clone()
    for (_, parameter), slot, changes in places:
        own, part = slot.view(base), slot.view(total)
        for change in changes:
            if parameter == "weight":
                change.delta.add_to(part, own, strength * change.strength)
            elif (bias := change.delta.bias_change(own)) is not None:
                part.add_(bias.reshape(own.shape), alpha=strength * change.strength)
        if slot.swapped:
            write_swapped(slot, total, part)
    return total


def is_sequential(changes: Sequence[Change], target: Target, order: Order) -> bool:
    """Whether the order matters: sequential was chosen and a change depends on the weight it meets."""
    return order == "sequential" and target[1] == "weight" and any(change.delta.uses_base for change in changes)
