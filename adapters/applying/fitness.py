"""Whether adapters may go on a model: finite strengths, the right base model, nothing damaged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...core.errors import BadParameter, BadWeights
from ..deltas.module_tensors import LARGEST
from ..modules.architectures import ARCHITECTURES, CONTEXT_WIDTHS, TRANSFORMER_MODELS, UNKNOWN
from ..modules.parts import TRANSFORMER, UNET
from ..modules.transformer_slots import list_joined_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .weight_access import WeightAccess

ALLOW_OTHERS = "apply what fits with allow_mismatch (--allow-mismatch)"
"""What else to do about another base model, where a caller offers it; the same for damaged modules:"""
SKIP_DAMAGED = "leave damaged modules out with skip_damaged (--skip-damaged)"
_UNET_BLOCKS = f"{UNET}.down_blocks."
_READER = "attn2.to_k"
"""Layer that reads the text encoding, whose width tells base models apart."""


def check_strength(value: Any, where: str) -> float:
    """The number itself. Raises BadParameter when it is none, NaN, infinite, or more than float32 holds."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= LARGEST:
        fix = "give a finite number such as 0.8"
        raise BadParameter(f"{str(value)[:40]} is no strength that can be computed with", where=where, fix=fix)
    return number


def guess_model(parts: Mapping[str, WeightAccess]) -> str:
    """Architecture of a model: its transformer's, or by the width of the text encoding that its UNet reads."""
    if (own := find_transformer_model(parts)) != UNKNOWN:
        return own
    weights = parts.get(UNET)
    if weights is None:
        return UNKNOWN
    for (module, parameter), slot in weights.slots.items():
        if parameter == "weight" and module.startswith(f"{UNET}.") and module.endswith(_READER):
            tensor = weights.get(slot.key)
            if tensor is not None and tensor.ndim == 2:
                return CONTEXT_WIDTHS.get(tensor.shape[1], UNKNOWN)
    return UNKNOWN


def find_transformer_model(parts: Mapping[str, WeightAccess]) -> str:
    """Architecture of a model's transformer; UNKNOWN where it has none that is known."""
    return parts[TRANSFORMER].architecture if TRANSFORMER in parts else UNKNOWN


def fit_base_model(adapter: Adapter, parts: Mapping[str, WeightAccess]) -> Adapter:
    """The adapter, read again as one for this model where its file could be for that, too, and fits a layer of it."""
    model = guess_model(parts)
    if model == adapter.base_model or model not in adapter.could_be:
        return adapter
    own, weights = adapter.read_as(model), parts[TRANSFORMER]
    return own if any(_fits(delta, module, weights) for module, delta in own.modules.items()) else adapter


def _fits(delta: Delta, module: str, weights: WeightAccess) -> bool:
    """Whether a layer, or those that it joins, has the shape that a delta shows."""
    names = (module,) if (module, "weight") in weights.slots else list_joined_parts(weights.architecture, module)
    if not names or any((name, "weight") not in weights.slots for name in names):
        return False
    shapes = [weights.find_shape(name) for name in names]
    try:
        delta.check((sum(shape[0] for shape in shapes), *shapes[0][1:]))
    except BadWeights:
        return False
    return True


def check_base_model(adapter: Adapter, model: str, what: str = "this model is", *, way_out: str = "") -> None:
    """Raise BadWeights when an adapter was made for another base model; where a side is unknown nothing is said.

    way_out: what else than another file the caller has to offer.
    """
    own = adapter.base_model
    if UNKNOWN in (own, model) or own == model:
        return
    raise BadWeights(
        f"was made for {ARCHITECTURES[own].title}, and {what} {ARCHITECTURES[model].title}",
        where=adapter.name,
        fix=_advise("use an adapter for this base model", way_out),
    )


def check_model(adapter: Adapter, parts: Mapping[str, WeightAccess], way_out: str = "") -> None:
    """Raise BadWeights when an adapter was made for another base model than these parts are of.

    One made for a transformer is refused by every UNet, also by one whose width no base model has.
    """
    own, model = adapter.base_model, guess_model(parts)
    check_base_model(adapter, model, way_out=way_out)
    has_unet = UNET in parts and any(module.startswith(_UNET_BLOCKS) for module, _ in parts[UNET].slots)
    if own in TRANSFORMER_MODELS and model == UNKNOWN and has_unet:
        raise BadWeights(
            f"was made for {ARCHITECTURES[own].title}, and this model has a UNet, as SD 1.x, SD 2.x and SDXL",
            where=adapter.name,
            fix=_advise("use an adapter for this base model", way_out),
        )


def _advise(first: str, way_out: str) -> str:
    return f"{first}, or {way_out}" if way_out else first


def check_finite(adapter: Adapter, way_out: str = "") -> None:
    """Raise BadWeights when modules of an adapter were refused for NaN or infinite values.

    way_out: what else than a sound file the caller has to offer.
    """
    marks = ("holds NaN", " is nan", " is inf", " is -inf")
    damaged = sorted(key for key, reason in adapter.unused.items() if any(mark in reason for mark in marks))
    if adapter.finite and not damaged:
        return
    count, first = (len(damaged), damaged[0]) if damaged else (1, "a key that is not understood")
    raise BadWeights(
        f"holds NaN or infinite values in modules that would be left out ({count} keys, the first is {first})",
        where=adapter.name,
        fix=_advise("fetch or export the file again", way_out),
    )
