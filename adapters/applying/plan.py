"""Which change goes to which tensor, and which modules of an adapter the model refuses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...core.errors import BadWeights
from ..deltas.rows import take_rows
from ..modules.architectures import ARCHITECTURES, SD15, SDXL, UNKNOWN
from ..modules.parts import TRANSFORMER, UNET, find_part
from ..modules.transformer_slots import list_joined_parts
from .fitness import check_model, check_strength, find_transformer_model, fit_base_model
from .receipt import LEARNED_TOKEN, Receipt, account_for
from .wide_inputs import check_live_input

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .weight_access import Target, WeightAccess

    WeightedAdapter = tuple[Adapter, float, float] | tuple[Adapter, float, float, "Blocks | None"]


NO_LDM_PLACE = "is named by a block number that this UNet does not have, or its blocks cannot be counted"
"""Why a module of the LDM layout has no place in a model."""


class Blocks(Protocol):
    """Multiplier of a module's strength, by its canonical name."""

    def weight_of(self, module: str, architecture: str = SD15, /) -> float:
        """Multiplier of that module of an architecture: SDXL's blocks are numbered differently."""
        ...


class Change(NamedTuple):
    """One delta on one module."""

    adapter: int
    delta: Delta
    strength: float


@dataclass
class Plan:
    """Plan of one call: (part, tensor key) → changes by target. By adapter: modules in effect → what they change, those
    refused, notes, and what was applied in its place where its file was read again as one for this model."""

    targets: dict[tuple[str, str], dict[Target, list[Change]]] = field(default_factory=lambda: defaultdict(dict))
    applied: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    refused: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    notes: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    read_again: dict[int, Adapter] = field(default_factory=dict[int, "Adapter"])


def make_plan(
    parts: Mapping[str, WeightAccess],
    adapters: Sequence[WeightedAdapter],
    *,
    allow_mismatch: bool = False,
    way_out: str = "",
) -> Plan:
    """Match every module of every adapter with the tensors of the parts; forms no product and writes nothing.

    Raises BadParameter for a strength that is no finite number, BadWeights for weights that are stored in a form that
    cannot be computed with, and for an adapter made for another base model than this, unless allow_mismatch. One whose
    names and shapes fit several base models is read as one for this. way_out: how the caller lets others be applied.
    """
    plan = Plan()
    for number, weighted in enumerate(adapters):
        given, unet, encoder, blocks = _split_request(weighted)
        adapter = fit_base_model(given, parts)
        if adapter is not given:
            plan.read_again[number] = adapter
        if not allow_mismatch:
            check_model(adapter, parts, way_out)
        architecture = _choose_architecture(parts, adapter) if blocks else SD15
        for module, delta in adapter.modules.items():
            part, weights = find_part(module), parts.get(find_part(module))
            target = _find_target(weights, adapter, module)
            if target is None:
                plan.refused[number][module] = NO_LDM_PLACE
                continue
            strength = unet if part in (UNET, TRANSFORMER) else encoder
            strength *= 1.0 if blocks is None else blocks.weight_of(target, architecture)
            check_strength(strength, f"{adapter.name}, {module}")
            if weights is not None and strength and not allow_mismatch:
                check_live_input(weights, adapter, module)
            if weights is not None:
                _plan_module(plan, weights, (part, target), Change(number, delta, strength), module)
    return plan


def _find_target(weights: WeightAccess | None, adapter: Adapter, module: str) -> str | None:
    """Module of the model that one of an adapter stands for; None for a block number that this model does not have."""
    ldm = adapter.ldm.get(module)
    return module if weights is None or ldm is None else weights.find_ldm_module(ldm, module)


def _choose_architecture(parts: Mapping[str, WeightAccess], adapter: Adapter) -> str:
    """By the model's own modules; where there is no UNet, by what the file was made for."""
    if (own := find_transformer_model(parts)) != UNKNOWN:
        return own
    if UNET in parts:
        return SDXL if (f"{UNET}.add_embedding.linear_1", "weight") in parts[UNET].slots else SD15
    return adapter.base_model


def _split_request(weighted: Sequence[Any]) -> tuple[Adapter, float, float, Blocks | None]:
    adapter, unet, encoder, *rest = weighted
    strengths = [check_strength(value, f"strength of {adapter.name}") for value in (unet, encoder)]
    return adapter, strengths[0], strengths[1], rest[0] if rest else None


def _plan_module(plan: Plan, weights: WeightAccess, place: tuple[str, str], change: Change, own: str) -> None:
    """Plan one change, of a layer or of several that the adapter has as one. own: the adapter's name of the module."""
    part, module = place
    try:
        split = split_joined(weights, module, change)
    except BadWeights as error:
        plan.refused[change.adapter][own] = str(error)
        return
    keys = [slot.key for name, _ in split if (slot := weights.slots.get((name, "weight"))) is not None]
    if len(keys) < len(split) or any(weights.get(key) is None for key in keys):
        return
    for key in keys:
        weights.find_storage(key)
    try:
        for name, one in split:
            _check_module(weights, name, one.delta)
    except BadWeights as error:
        plan.refused[change.adapter][own] = str(error)
        return
    plan.applied[change.adapter][own] = ", ".join(name for name, _ in split)
    for name, one in split:
        _add_change(plan, weights, (part, name), one)


def split_joined(weights: WeightAccess, module: str, change: Change) -> list[tuple[str, Change]]:
    """Layers of a model and their shares of a change: one, but where the adapter joins layers that the model has apart.

    Raises BadWeights where the change cannot be cut, with the reason.
    """
    names = () if (module, "weight") in weights.slots else list_joined_parts(weights.architecture, module)
    if not names or any((name, "weight") not in weights.slots for name in names):
        return [(module, change)]
    counts = [weights.find_shape(name)[0] for name in names]
    found: list[tuple[str, Change]] = []
    for number, name in enumerate(names):
        delta = take_rows(change.delta, ((sum(counts[:number]), counts[number]),), sum(counts))
        found.append((name, change._replace(delta=delta)))
    return found


def _check_module(weights: WeightAccess, module: str, delta: Delta) -> None:
    """Raise BadWeights where a change does not fit its layer."""
    shape = weights.find_shape(module)
    delta.check(shape)
    bias = weights.slots.get((module, "bias")) or weights.bias_slot(module)
    if (fault := _find_bias_fault(delta, shape[0], has_place=bias is not None)) is not None:
        raise BadWeights(fault)


def _add_change(plan: Plan, weights: WeightAccess, place: tuple[str, str], change: Change) -> None:
    part, module = place
    weight = weights.slots[module, "weight"]
    bias = weights.slots.get((module, "bias")) or weights.bias_slot(module)
    if (note := change.delta.explain_part(weights.find_shape(module))) is not None:
        plan.notes[change.adapter].append(f"{module} was {note}")
    if change.strength and change.delta.changes_weight:
        plan.targets[part, weight.key].setdefault((module, "weight"), []).append(change)
    has_bias = bias is not None and weights.get(bias.key) is not None
    if (
        change.strength
        and change.delta.changes_bias
        and bias is not None
        and (has_bias or change.delta.bias is not None)
    ):
        plan.targets[part, bias.key].setdefault((module, "bias"), []).append(change)


def _find_bias_fault(delta: Delta, rows: int, *, has_place: bool) -> str | None:
    if delta.bias is None:
        return None
    if not has_place:
        return "brings a bias, and its layer has no room for one"
    return None if delta.bias.numel() == rows else f"a bias of {delta.bias.numel()} does not fit {rows} outputs"


def make_receipt(adapters: Sequence[WeightedAdapter], plan: Plan) -> Receipt:
    """Account of every key of every adapter."""
    entries = [
        account_for(
            plan.read_again.get(number, weighted[0]),
            plan.applied[number],
            {**dict.fromkeys(weighted[0].embeddings, LEARNED_TOKEN), **plan.refused[number]},
            weighted[1:3],
            plan.notes[number],
        )
        for number, weighted in enumerate(adapters)
    ]
    return Receipt(tuple(entries))


def check_receipt(receipt: Receipt, *, allow_empty: bool) -> None:
    """Raise BadWeights when an adapter matched nothing, unless that is allowed."""
    for entry in receipt.adapters:
        if not entry.modules and not allow_empty:
            why = "; ".join(f"{count} keys: {reason}" for reason, count in list(entry.reasons().items())[:3])
            own = ARCHITECTURES.get(entry.base_model)
            made = f" (it was made for {own.title})" if own and own.id != UNKNOWN else ""
            raise BadWeights(
                f"nothing of it fits this model{made}: {why or 'it holds no modules'}",
                where=entry.name,
                fix="check that it was made for this base model",
            )
