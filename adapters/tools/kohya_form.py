"""Deltas as kohya's scripts and LyCORIS store them."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from ..deltas.base import Delta, wide
from ..deltas.dense import BiasOnly, Dense, Norm, SetWeight, Summed
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard, Kronecker
from ..deltas.rotations import BOFT, OFT, RotationOFT
from ..deltas.scaling import IA3, GLoRA

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor


def exact_number(value: float) -> Tensor:
    """A scalar tensor that holds the value exactly: float32, or float64 where that is not enough."""
    single = torch.tensor(value, dtype=torch.float32)
    return single if single.item() == value else torch.tensor(value, dtype=torch.float64)


def kohya_tensors(delta: Delta) -> dict[str, Tensor]:
    """Suffix → tensor as LyCORIS and kohya store this kind, exactly; raises BadWeights for kinds they do not have."""
    tensors = _stored(delta)
    if delta.bias is not None:
        tensors["diff_b"] = delta.bias
    return tensors


@singledispatch
def _stored(delta: Delta) -> dict[str, Tensor]:
    raise BadWeights(f"kohya's naming has no {delta.algorithm}", fix="keep it in PEFT's form")


@_stored.register(LowRank)
def _(delta: LowRank) -> dict[str, Tensor]:
    tensors = {"lora_up.weight": delta.up, "lora_down.weight": delta.down}
    if delta.mid is not None:
        tensors["lora_mid.weight"] = delta.mid
    return {**tensors, "alpha": exact_number(delta.scale * delta.rank)}


@_stored.register(Hadamard)
def _(delta: Hadamard) -> dict[str, Tensor]:
    names = ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")
    return {**_present(delta, names, "hada_"), "alpha": exact_number(delta.scale * delta.rank)}


@_stored.register(Kronecker)
def _(delta: Kronecker) -> dict[str, Tensor]:
    tensors = _present(delta, ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"), "lokr_")
    if delta.rank is not None:
        return {**tensors, "alpha": exact_number(delta.factor * delta.rank)}
    if delta.factor != 1:  # both full: LyCORIS takes no alpha, so it goes into the small operand
        tensors["lokr_w1"] = wide(tensors["lokr_w1"]) * delta.factor
    return tensors


@_stored.register(Dora)
def _(delta: Dora) -> dict[str, Tensor]:
    inner = kohya_tensors(delta.inner)
    extent = delta.extent
    if isinstance(delta.inner, Summed) or extent is None:
        raise BadWeights("kohya's naming has no DoRA around several changes", fix="keep the file as it is")
    axes = max(2, delta.inner.up.ndim if isinstance(delta.inner, LowRank) else 2 + len(extent.kernel))
    shape = [1] * axes
    shape[0 if delta.axis == "out" else 1] = -1
    return {**inner, "dora_scale": delta.magnitude.reshape(shape)}


@_stored.register(Dense)
def _(delta: Dense) -> dict[str, Tensor]:
    return {"diff": delta.diff if delta.scale == 1 else wide(delta.diff) * delta.scale}


@_stored.register(Norm)
def _(delta: Norm) -> dict[str, Tensor]:
    return {"w_norm": delta.diff}


@_stored.register(BiasOnly)
def _(delta: BiasOnly) -> dict[str, Tensor]:
    return {}


@_stored.register(SetWeight)
def _(delta: SetWeight) -> dict[str, Tensor]:
    return {"set_weight": delta.weight}


@_stored.register(Summed)
def _(delta: Summed) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for part in delta.parts:
        own = kohya_tensors(part)
        if own.keys() & tensors.keys():
            raise BadWeights("kohya's naming has no module with two changes of one kind", fix="keep the file as it is")
        tensors |= own
    return tensors


@_stored.register(IA3)
def _(delta: IA3) -> dict[str, Tensor]:
    return {"weight": delta.weight, "on_input": torch.tensor(int(delta.on_input))}


@_stored.register(GLoRA)
def _(delta: GLoRA) -> dict[str, Tensor]:
    tensors = {f"{name}.weight": getattr(delta, name) for name in ("a1", "a2", "b1", "b2")}
    if delta.bm is not None:
        tensors["bm.weight"] = delta.bm
    return {**tensors, "alpha": exact_number(delta.scale * delta.rank)}


@_stored.register(OFT)
def _(delta: OFT) -> dict[str, Tensor]:
    return _rotation(delta.blocks, delta.constraint, delta.rescale)


@_stored.register(BOFT)
def _(delta: BOFT) -> dict[str, Tensor]:
    return _rotation(delta.blocks, delta.constraint, delta.rescale)


@_stored.register(RotationOFT)
def _(delta: RotationOFT) -> dict[str, Tensor]:
    return {"oft_diag": delta.oft_diag}


def _rotation(blocks: Tensor, constraint: float, rescale: Tensor | None) -> dict[str, Tensor]:
    tensors = {"oft_blocks": blocks, "alpha": exact_number(constraint)}
    return tensors if rescale is None else {**tensors, "rescale": rescale}


def _present(delta: Delta, names: Collection[str], prefix: str) -> dict[str, Tensor]:
    found = {f"{prefix}{name}": getattr(delta, name) for name in names}
    return {name: tensor for name, tensor in found.items() if tensor is not None}
