"""Any understood adapter in memory as other hosts look modules up: kohya's names, with whole deltas where a host has
no such kind, or with plain tensors alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadWeights
from ..deltas.base import to_float32
from ..deltas.dense import Dense, Norm
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard, Kronecker
from ..modules.architectures import SDXL_PAIR, TRANSFORMER_MODELS
from ..modules.parts import TEXT_ENCODER
from ..tools.export_names import make_kohya_names
from ..tools.kohya_form import make_exact_scalar, make_kohya_tensors
from ..tools.transformer_form import to_maker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta

DELTA = "underdrawing"
"""Suffix under which a whole delta stands, for a host that lets a class of ours compute it."""
TOKENS = "bundle_emb"
"""First word of the keys of learned tokens."""


@dataclass(frozen=True, eq=False)
class HostForm:
    """tensors: key → tensor, or a delta under the suffix `DELTA`. modules: name in kohya's style → canonical module.

    own: algorithm → modules that the host itself cannot compute. refused: canonical module → why it is left out.
    """

    tensors: dict[str, Any]
    modules: dict[str, str]
    own: dict[str, int] = field(default_factory=dict[str, int])
    refused: dict[str, str] = field(default_factory=dict[str, str])


def name_for_hosts(adapter: Adapter) -> Adapter:
    """The adapter with a transformer's layers as hosts have them: in its maker's names, joined where these are one.

    Raises BadWeights where some cannot be joined.
    """
    if adapter.base_model not in TRANSFORMER_MODELS:
        return adapter
    return replace(adapter, modules=to_maker(adapter.base_model, adapter.modules))


def is_plain(delta: Delta) -> bool:
    """Whether every host of A1111's family computes this kind as it is meant."""
    if isinstance(delta, Norm):
        return delta.bias is not None
    if find_core(delta) is not None:
        return False
    return isinstance(delta, Dense) or (isinstance(delta, LowRank | Hadamard | Kronecker) and delta.bias is None)


def find_core(delta: Delta) -> Tensor | None:
    """The tensor between factors (Tucker), where there is one."""
    return next((core for name in ("mid", "t1", "t2") if (core := getattr(delta, name, None)) is not None), None)


def make_host_form(adapter: Adapter, base_model: str, is_native: Callable[[Delta], bool] = is_plain) -> HostForm:
    """Every module under kohya's name: native kinds as kohya's tensors, others as deltas; learned tokens beside them.

    base_model: what the host has loaded; it decides how names are spelt where the file does not say for which model
    it was made.
    """
    form = HostForm({}, _name_modules(adapter, base_model))
    for name, module in form.modules.items():
        delta = adapter.modules[module]
        table: dict[str, Any] = _list_plain(delta) if is_native(delta) else {DELTA: delta}
        if DELTA in table:
            form.own[delta.algorithm] = form.own.get(delta.algorithm, 0) + 1
        form.tensors.update({f"{name}.{suffix}": value for suffix, value in table.items()})
    for token, vectors in adapter.embeddings.items():
        form.tensors.update(_name_vectors(token, vectors))
    return form


def bake_host_form(
    adapter: Adapter,
    base_model: str,
    find_weights: Callable[[str], tuple[Tensor | None, Tensor | None]],
    find_factor: Callable[[str, str], float],
) -> HostForm:
    """The same of tensors alone: kinds that the host does not have become differences of the weights they meet.

    find_weights: kohya's name → the weight and the bias of the loaded model as they are without any adapter, or None.
    find_factor: canonical module and base model → what a strength is multiplied with. Modules that the model does not
    have, or that do not fit it, are left out with the reason.
    """
    form = HostForm({}, _name_modules(adapter, base_model))
    for name, module in form.modules.items():
        delta = adapter.modules[module]
        try:
            weight, bias = find_weights(name)
            if weight is None:
                raise BadWeights("the model has no such module")
            if weight.is_floating_point():  # others are packed, and have other shapes
                delta.check(weight.shape)
            table = _list_plain(delta) if is_plain(delta) else _bake(delta, weight, bias)
        except BadWeights as error:
            form.refused[module] = error.what
            continue
        if not is_plain(delta):
            form.own[delta.algorithm] = form.own.get(delta.algorithm, 0) + 1
        table = _scale(table, find_factor(module, base_model))
        form.tensors.update({f"{name}.{suffix}": value for suffix, value in table.items()})
    return form


def _list_plain(delta: Delta) -> dict[str, Tensor]:
    """kohya's tensors; a norm's bias under the name that hosts know."""
    table = make_kohya_tensors(delta)
    return {"b_norm" if name == "diff_b" and "w_norm" in table else name: table[name] for name in table}


def _bake(delta: Delta, weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    if not weight.is_floating_point():
        raise BadWeights(f"a {delta.algorithm} needs weights that are not quantised")
    dtype = weight.dtype if weight.element_size() > 1 else torch.float16
    table = {"diff": delta.change(to_float32(weight)).to(dtype)} if delta.changes_weight else {}
    change = delta.bias_change(bias)
    return table if change is None else {**table, "diff_b": change}


def _scale(table: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """Tensors of a module with its change multiplied: by its alpha where that counts, else by its first factor."""
    if factor == 1:
        return table
    counts = "alpha" in table and not table.keys() >= {"lokr_w1", "lokr_w2"}  # a LoKr of whole operands ignores it
    first = "alpha" if counts else next(iter(table))
    scaled = {name: to_float32(table[name]) * factor for name in (first, "diff_b", "b_norm") if name in table}
    if first == "alpha":
        scaled["alpha"] = make_exact_scalar(table["alpha"].item() * factor)
    return {**table, **scaled}


def _name_modules(adapter: Adapter, base_model: str) -> dict[str, str]:
    known = adapter.base_model
    names = make_kohya_names(adapter.modules, base_model if known == "unknown" else known)
    return {name: module for module, name in names.items()}


def _name_vectors(token: str, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys of a learned token as trainers bundle it."""
    if set(vectors) == {TEXT_ENCODER}:
        return {f"{TOKENS}.{token}.string_to_param.*": vectors[TEXT_ENCODER]}
    return {f"{TOKENS}.{token}.{key}": vectors[part] for key, part in SDXL_PAIR.items() if part in vectors}
