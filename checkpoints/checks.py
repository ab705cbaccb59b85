"""What is wrong with the inputs of a merge, found from names, dtypes and shapes before anything is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..adapters.modules.architectures import TRANSFORMER_MODELS
from ..core.errors import BadWeights
from .applied import find_mergeable, has_known_channels
from .families import UNKNOWN, find_family, find_first_layer
from .keys import find_part, is_position_ids, is_weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .values import Values

_SHOWN = 3
_FUSED = re.compile(r"(.+)\.(?:to_)?(?:qkv|in_proj|query_key_value|Wqkv)(?:_proj)?[._](?:weight|bias)")
_DIVIDED = re.compile(r"(.+)\.(?:to_)?q(?:uery)?(?:_proj)?\.(?:weight|bias)")
_LEAST_SHARE = 0.5


def list_weights(values: Values) -> set[str]:
    """Keys that a merge computes with."""
    return {
        key
        for key, entry in values.entries.items()
        if is_weight(key, entry.shape, is_float=find_mergeable(values, key))
    }


def check_inputs(inputs: Sequence[Values]) -> None:
    """Raise BadWeights where inputs are of different models, or a weight has different shapes."""
    first = inputs[0]
    check_kinds(inputs)
    own = find_family(first.entries, first.metadata)
    weights = list_weights(first)
    for other in inputs[1:]:
        family = find_family(other.entries, other.metadata)
        if own.id != family.id and UNKNOWN not in (own.id, family.id):
            what = f"is {family.title}, and {first.label} is {own.title}"
            raise BadWeights(what, where=other.label, fix="merge checkpoints of one base model")
        _check_divisions(first, other)
        _check_overlap(first, other, weights)
        _check_shapes(first, other, weights)


def check_kinds(inputs: Sequence[Values]) -> None:
    """Raise BadWeights where one is a LoRA and another is not."""
    loras = [one for one in inputs if _is_lora(one)]
    if loras and len(loras) < len(inputs):
        fix = "bake it into a checkpoint with `underdrawing lora bake`, or with --lora while merging"
        raise BadWeights("is a LoRA, not a checkpoint", where=loras[0].label, fix=fix)


def _is_lora(values: Values) -> bool:
    """Whether most keys end as only those of the LoRA family do."""
    from ..adapters.reading.dialects.base import split_key

    ends = [found[1] for key in values.entries if (found := split_key(key)) is not None]
    return 2 * sum(end not in ("bias", "scale") for end in ends) > len(values.entries)


def _check_divisions(first: Values, other: Values) -> None:
    """Refuse an attention whose q, k and v are one weight in one checkpoint and three in the other."""
    for one, two in ((first, other), (other, first)):
        parts = {found[1] for key in two.entries if (found := _DIVIDED.fullmatch(key)) and key not in one.entries}
        fused = {found[1] for key in one.entries if (found := _FUSED.fullmatch(key)) and key not in two.entries}
        if both := sorted(parts & fused):
            what = (
                f"holds q, k and v of {_list(both)} {'apart' if two is other else 'in one weight'}, {first.label} not"
            )
            known = ", ".join(model.title for model in TRANSFORMER_MODELS.values())
            fix = f"merge checkpoints in one layout; maps are known for {known}"
            raise BadWeights(what, where=other.label, fix=fix)


def _check_overlap(first: Values, other: Values, weights: set[str]) -> None:
    found = list_weights(other)
    common = weights & found
    if len(common) >= _LEAST_SHARE * min(len(weights), len(found)) and common:
        return
    lost = sorted(found - weights)[:_SHOWN]
    what = f"has {len(common)} of the {len(weights)} weights of {first.label}; its others are {_list(lost)}"
    fix = "merge checkpoints of one base model in one layout (see `underdrawing checkpoint inspect`)"
    raise BadWeights(what, where=other.label, fix=fix)


def _check_shapes(first: Values, other: Values, weights: set[str]) -> None:
    layer = find_first_layer(first.entries)
    faults: list[str] = []
    for key in sorted(weights & set(other.entries)):
        one, two = first.entries[key].shape, other.entries[key].shape
        if one == two or (key == layer and has_known_channels(one, two)):
            continue
        if key == layer and has_known_channels(two, one):
            kind = find_family(other.entries).variant
            what = f"is the {kind} model, with {two[1]} inputs in place of 4, and must come first"
            raise BadWeights(what, where=other.label, fix=f"give {other.label} as A")
        faults.append(f"{key} {list(two)} for {list(one)}")
    if faults:
        what = f"has {len(faults)} weights of another shape than {first.label}: {_list(faults[:_SHOWN])}"
        raise BadWeights(what, where=other.label, fix="merge checkpoints of one base model")


def choose_keys(inputs: Sequence[Values], *, with_vae: bool) -> tuple[frozenset[str], tuple[str, ...]]:
    """Keys that all inputs have and a method merges, and notes on what stays as the first input has it."""
    first, notes = inputs[0], list[str]()
    weights = list_weights(first)
    is_model = any(find_part(key) != "vae" for key in weights) and find_family(first.entries).id != "vae"
    if not with_vae and is_model:
        weights = {key for key in weights if find_part(key) != "vae"}
    for other in inputs[1:]:
        lost = sorted(weights - set(other.entries))
        if lost:
            notes.append(
                f"{other.label} lacks {len(lost)} weights, which stay as {first.label} has them: {_list(lost)}"
            )
        weights -= set(lost)
        extra = sorted(key for key in list_weights(other) - set(first.entries) if with_vae or find_part(key) != "vae")
        if extra:
            notes.append(f"{len(extra)} weights of {other.label} are not in {first.label} and left out: {_list(extra)}")
        if not with_vae and is_model:
            notes += _compare_vaes(first, other)
    return frozenset(weights), tuple(dict.fromkeys(notes))


def _compare_vaes(first: Values, other: Values) -> list[str]:
    """What is to be said where one of two models has no VAE, and that of the first is kept."""
    own, others = ([key for key in one.entries if find_part(key) == "vae"] for one in (first, other))
    if others and not own:
        return [
            f"{first.label} has no VAE, and so has the result: the {len(others)} weights of the VAE of {other.label} "
            f"are left out; `underdrawing checkpoint bake-vae` puts one in"
        ]
    return [f"{other.label} has no VAE; the result has that of {first.label}"] if own and not others else []


def choose_a1111_keys(inputs: Sequence[Values]) -> frozenset[str]:
    """Keys that A1111's merger computes with: those with "model" in them, averaged weights and VAE included."""
    first, *others = inputs
    floats = {key for key, entry in first.entries.items() if entry.dtype.is_floating_point and "model" in key}
    layer = find_first_layer(first.entries)
    return frozenset(
        key
        for key in floats
        if not is_position_ids(key)
        and all(key in other.entries for other in others)
        and (key == layer or all(other.entries[key].shape == first.entries[key].shape for other in others))
    )


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
