"""Deltas as kohya's scripts and LyCORIS store them."""

from __future__ import annotations

import json
from collections import Counter
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadWeights
from ...core.tensor_files.safetensors_io import dtype_names, read_header
from ..deltas.base import Delta, to_float32
from ..deltas.dense import BiasOnly, Dense, Norm, SetWeight, Sum
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard, Kronecker
from ..deltas.rotations import BOFT, OFT, RotationOFT
from ..deltas.scaling import IA3, GLoRA

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from ..adapter import Adapter


def make_exact_scalar(value: float) -> Tensor:
    """A scalar tensor that holds the value exactly: float32, or float64 where that is not enough."""
    single = torch.tensor(value, dtype=torch.float32)
    return single if single.item() == value else torch.tensor(value, dtype=torch.float64)


def find_alpha(scale: float, rank: int) -> float:
    """The alpha that gives a scale, alpha / rank: the float32 that a trainer stored where there is one."""
    product = scale * rank
    single = torch.tensor(product, dtype=torch.float32).item()
    return single if rank and single / rank == scale else product


def find_alpha_dtype(adapter: Adapter) -> torch.dtype | None:
    """The dtype in which a file has its alphas, or had them before it was converted; None if that is not known."""
    path = adapter.path
    if path.is_file() and path.suffix == ".safetensors":
        held = Counter(entry.dtype for key, entry in read_header(path).tensors.items() if key.endswith(".alpha"))
        for name, _ in held.most_common(1):
            return next((dtype for dtype, spelling in dtype_names().items() if spelling == name), None)
    name = read_last_step(adapter).get("alpha_dtype")
    return next((dtype for dtype in dtype_names() if str(dtype) == f"torch.{name}"), None)


def read_last_step(adapter: Adapter) -> dict[str, Any]:
    """What the metadata says of the step that wrote a file with this project; empty for other files."""
    try:
        step = json.loads(adapter.metadata.get("underdrawing", "{}")[: 1 << 20])["steps"][-1]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return step if isinstance(step, dict) else {}


def store_alpha(tensors: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The same with alpha in that dtype, where it holds the value exactly."""
    alpha = tensors.get("alpha")
    if dtype is None or alpha is None or dtype.is_complex or dtype == torch.bool:
        return tensors
    stored = alpha.to(dtype)
    return (
        {**tensors, "alpha": stored} if stored.to(torch.float64).item() == alpha.to(torch.float64).item() else tensors
    )


def lacks_alpha(adapter: Adapter) -> bool:
    """Whether a file in kohya's names holds no alpha at all."""
    return adapter.dialect == "kohya" and not any(key.endswith(".alpha") for key in (*adapter.used, *adapter.unused))


def drop_alpha(tensors: dict[str, Tensor], delta: Delta) -> dict[str, Tensor]:
    """The same without alpha, where its absence means the same."""
    inner = delta.inner if isinstance(delta, Dora) else delta
    whole = isinstance(inner, Kronecker) and inner.rank is None
    if not whole and (not isinstance(inner, LowRank | Hadamard) or inner.scale != 1):
        return tensors
    return {suffix: tensor for suffix, tensor in tensors.items() if suffix != "alpha"}


def make_kohya_tensors(delta: Delta) -> dict[str, Tensor]:
    """Suffix → tensor as LyCORIS and kohya store this kind, exactly; raises BadWeights for kinds they do not have."""
    tensors = _convert(delta)
    if delta.bias is not None:
        tensors["diff_b"] = delta.bias
    return tensors


@singledispatch
def _convert(delta: Delta) -> dict[str, Tensor]:
    raise BadWeights(f"kohya's naming has no {delta.algorithm}", fix="keep it in PEFT's form")


@_convert.register(LowRank)
def _(delta: LowRank) -> dict[str, Tensor]:
    tensors = {"lora_up.weight": delta.up, "lora_down.weight": delta.down}
    if delta.mid is not None:
        tensors["lora_mid.weight"] = delta.mid
    return {**tensors, "alpha": make_exact_scalar(find_alpha(delta.scale, delta.rank))}


@_convert.register(Hadamard)
def _(delta: Hadamard) -> dict[str, Tensor]:
    names = ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")
    return {**_list_present(delta, names, "hada_"), "alpha": make_exact_scalar(find_alpha(delta.scale, delta.rank))}


@_convert.register(Kronecker)
def _(delta: Kronecker) -> dict[str, Tensor]:
    tensors = _list_present(delta, ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"), "lokr_")
    if delta.rank is not None:
        return {**tensors, "alpha": make_exact_scalar(find_alpha(delta.factor, delta.rank))}
    if delta.factor != 1:  # both full: every reader takes 1 whatever alpha says, so it goes into the small operand
        tensors["lokr_w1"] = to_float32(tensors["lokr_w1"]) * delta.factor
    return {**tensors, "alpha": make_exact_scalar(1.0)}  # LyCORIS loads no LoKr without one


@_convert.register(Dora)
def _(delta: Dora) -> dict[str, Tensor]:
    inner = make_kohya_tensors(delta.inner)
    extent = delta.extent
    if isinstance(delta.inner, Sum) or extent is None:
        raise BadWeights("kohya's naming has no DoRA around several changes", fix="keep the file as it is")
    axes = max(2, delta.inner.up.ndim if isinstance(delta.inner, LowRank) else 2 + len(extent.kernel))
    shape = [1] * axes
    shape[0 if delta.axis == "out" else 1] = -1
    return {**inner, "dora_scale": delta.magnitude.reshape(shape)}


@_convert.register(Dense)
def _(delta: Dense) -> dict[str, Tensor]:
    return {"diff": delta.diff if delta.scale == 1 else to_float32(delta.diff) * delta.scale}


@_convert.register(Norm)
def _(delta: Norm) -> dict[str, Tensor]:
    return {"w_norm": delta.diff}


@_convert.register(BiasOnly)
def _(delta: BiasOnly) -> dict[str, Tensor]:
    return {}


@_convert.register(SetWeight)
def _(delta: SetWeight) -> dict[str, Tensor]:
    return {"set_weight": delta.weight}


@_convert.register(Sum)
def _(delta: Sum) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for part in delta.terms:
        own = make_kohya_tensors(part)
        if own.keys() & tensors.keys():
            raise BadWeights("kohya's naming has no module with two changes of one kind", fix="keep the file as it is")
        tensors |= own
    return tensors


@_convert.register(IA3)
def _(delta: IA3) -> dict[str, Tensor]:
    return {"weight": delta.weight, "on_input": torch.tensor(int(delta.on_input))}


@_convert.register(GLoRA)
def _(delta: GLoRA) -> dict[str, Tensor]:
    tensors = {f"{name}.weight": getattr(delta, name) for name in ("a1", "a2", "b1", "b2")}
    if delta.bm is not None:
        tensors["bm.weight"] = delta.bm
    return {**tensors, "alpha": make_exact_scalar(find_alpha(delta.scale, delta.rank))}


@_convert.register(OFT)
def _(delta: OFT) -> dict[str, Tensor]:
    return _convert_rotation(delta.blocks, delta.constraint, delta.rescale)


@_convert.register(BOFT)
def _(delta: BOFT) -> dict[str, Tensor]:
    return _convert_rotation(delta.blocks, delta.constraint, delta.rescale)


@_convert.register(RotationOFT)
def _(delta: RotationOFT) -> dict[str, Tensor]:
    return {"oft_diag": delta.oft_diag}


def _convert_rotation(blocks: Tensor, constraint: float, rescale: Tensor | None) -> dict[str, Tensor]:
    tensors = {"oft_blocks": blocks, "alpha": make_exact_scalar(constraint)}
    return tensors if rescale is None else {**tensors, "rescale": rescale}


def _list_present(delta: Delta, names: Collection[str], prefix: str) -> dict[str, Tensor]:
    found = {f"{prefix}{name}": getattr(delta, name) for name in names}
    return {name: tensor for name, tensor in found.items() if tensor is not None}
