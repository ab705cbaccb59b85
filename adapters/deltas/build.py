"""From the tensors of one module to its delta, by suffix (kohya, LyCORIS, A1111, PEFT, diffusers)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ...core.errors import BadWeights
from .base import Delta, compute_scale
from .dense import BiasOnly, Dense, Norm, SetWeight, Sum
from .dora import Dora
from .leftovers import RESHAPE, explain_harmless, find_leftover_fault
from .lowrank import LowRank
from .module_tensors import Hints, ModuleTensors, bad_module
from .products import Hadamard, Kronecker
from .residual import Residual
from .rotations import BOFT, OFT, PeftBOFT, PeftOFT, RotationOFT
from .scaling import IA3, GLoRA, PeftIA3
from .suffixes import find_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

_NO_HINTS = Hints()


class BuildResult(NamedTuple):
    """delta, or None when the module was refused; used and problems (suffix to reason) cover every suffix once."""

    delta: Delta | None
    used: tuple[str, ...]
    problems: dict[str, str]


def build(tensors: Mapping[str, Tensor], hints: Hints = _NO_HINTS, *, check_finite: bool = True) -> BuildResult:
    """Read one module: suffix (behind the module's name, without the dot) to tensor. Nothing is raised for bad files.

    A fault that would make the change wrong refuses the whole module; what merely does not take part is reported.
    """
    parts = ModuleTensors(tensors, check_finite=check_finite)
    refused = {suffix: reason for suffix in tensors if (reason := find_refusal(suffix)) is not None}
    try:
        if refused:
            raise bad_module(next(iter(refused.values())))
        hints.check()
        delta = _assemble(parts, hints)
        _check_leftovers(parts, tensors, delta)
        if (flaw := delta.find_flaw()) is not None:
            raise bad_module(flaw)
    except BadWeights as error:
        return BuildResult(None, (), {suffix: refused.get(suffix, error.what) for suffix in tensors})
    problems = {s: explain_harmless(delta) for s in tensors if s not in parts.used}
    return BuildResult(delta, tuple(s for s in tensors if s in parts.used), problems)


def _check_leftovers(parts: ModuleTensors, tensors: Mapping[str, Tensor], delta: Delta) -> None:
    for suffix, tensor in tensors.items():
        if suffix not in parts.used and (fault := find_leftover_fault(suffix, tensor, delta)) is not None:
            raise bad_module(fault)
    parts.used.update({RESHAPE} & tensors.keys())


def _assemble(parts: ModuleTensors, hints: Hints) -> Delta:
    deltas = [delta for names, make in _BUILDERS if any(n in parts for n in names) and (delta := make(parts, hints))]
    if len([d for d in deltas if not isinstance(d, (Dense, Norm))]) > 1:
        raise bad_module(f"the module mixes types: {', '.join(d.algorithm for d in deltas)}")
    bias = _bias(parts, deltas[0] if deltas else None, hints)
    if not deltas:
        if bias is None:
            raise bad_module("its suffixes belong to no known adapter type")
        return BiasOnly(bias=bias)
    return _add_bias(deltas[0] if len(deltas) == 1 else Sum(terms=tuple(deltas)), bias)


def _add_bias(delta: Delta, bias: Tensor | None) -> Delta:
    if bias is None:
        return delta
    return replace(delta, bias=bias)


def _bias(parts: ModuleTensors, main: Delta | None, hints: Hints) -> Tensor | None:
    """diff_b or b_norm as they are; PEFT's lora_B.bias times the factor of its LoRA."""
    found = [bias for name in ("diff_b", "b_norm") if (bias := parts.take(name)) is not None]
    inner = main.inner if isinstance(main, (Dora, Residual)) else main
    if isinstance(inner, LowRank) and (bias := parts.take("up_bias")) is not None:
        found.append(bias if inner.scale == 1 else (bias.to(torch.float64) * inner.scale).to(torch.float32))
    if len(found) > 1:
        raise bad_module("the module brings more than one bias")
    return found[0].reshape(-1) if found else None


def _scale(parts: ModuleTensors, hints: Hints, rank: int | None) -> float:
    """A1111's scale if there is one, else alpha / rank with the metadata's alpha before the tensor's, else 1."""
    alpha, given = parts.number("alpha"), parts.number("scale")
    alpha = alpha if hints.alpha is None else hints.alpha
    if given is not None:
        return given
    rank = hints.rank if rank is None else rank
    if not rank:
        return 1.0
    return compute_scale(alpha, rank, stabilised=hints.stabilised)


def _wrap_factors(parts: ModuleTensors, delta: Delta, scale: float) -> Delta:
    """A product with what may accompany it: A1111's weight-shaped bias (scaled too), and DoRA's magnitude."""
    extra = parts.take("bias")
    if extra is not None:
        delta = Sum(terms=(delta, Dense(diff=extra, scale=scale)))
    if "magnitude" in parts and "dora_scale" in parts:
        raise bad_module("the module has both dora_scale and a magnitude")
    if (vector := parts.take("magnitude")) is not None:
        return Dora(inner=delta, magnitude=vector, axis="out")
    if (magnitude := parts.take("dora_scale")) is not None:
        return Dora(inner=delta, magnitude=magnitude, axis=_axis(magnitude, delta))
    return delta


def _axis(magnitude: Tensor, delta: Delta) -> Literal["out", "in"]:
    """(O, 1, ..) and (O,) are out, (1, I, ..) is in, unless it fits the outputs and not the inputs."""
    extent = delta.extent
    if magnitude.ndim < 2 or magnitude.shape[0] != 1:
        return "out"
    if extent is None or magnitude.numel() != extent.rows:
        return "in"
    inputs = magnitude.numel() * math.prod(extent.kernel) == extent.cols
    return "in" if inputs and extent.rows > 1 else "out"


def _lora(parts: ModuleTensors, hints: Hints) -> Delta:
    up, down, mid = parts.need("up"), parts.need("down"), parts.take("mid")
    if down.ndim < 2 or up.ndim < 2:
        raise bad_module(
            f"its factors have shapes {list(up.shape)} and {list(down.shape)}; a sharded export looks like this"
        )
    scale = _scale(parts, hints, down.shape[0])
    delta = LowRank(up=up, down=down, mid=mid, scale=scale)
    return _wrap_factors(parts, delta if hints.start is None else Residual(inner=delta, start=hints.start), scale)


def _loha(parts: ModuleTensors, hints: Hints) -> Delta:
    w1_a, w1_b, w2_a, w2_b = (parts.need(f"hada_{name}") for name in ("w1_a", "w1_b", "w2_a", "w2_b"))
    t1, t2 = parts.take("hada_t1"), parts.take("hada_t2")
    if (t1 is None) != (t2 is None):
        raise bad_module("only one of hada_t1 and hada_t2 is there")
    scale = _scale(parts, hints, w1_b.shape[0] if w1_b.ndim else None)
    return _wrap_factors(parts, Hadamard(w1_a=w1_a, w1_b=w1_b, w2_a=w2_a, w2_b=w2_b, t1=t1, t2=t2, scale=scale), scale)


def _lokr(parts: ModuleTensors, hints: Hints) -> Delta:
    w1, w2 = parts.take("lokr_w1"), parts.take("lokr_w2")
    w1_a, w1_b = (None, None) if w1 is not None else (parts.need("lokr_w1_a"), parts.need("lokr_w1_b"))
    w2_a, w2_b = (None, None) if w2 is not None else (parts.need("lokr_w2_a"), parts.need("lokr_w2_b"))
    t2 = None if w2 is not None else parts.take("lokr_t2")
    last = w2_b if w2_b is not None else w1_b
    scale = _scale(parts, hints, None if last is None or not last.ndim else last.shape[0])
    always = hints.always_scaled or "scale" in parts
    delta = Kronecker(
        w1=w1, w1_a=w1_a, w1_b=w1_b, w2=w2, w2_a=w2_a, w2_b=w2_b, t2=t2, scale=scale, always_scaled=always
    )
    return _wrap_factors(parts, delta, delta.factor)


def _full(parts: ModuleTensors, hints: Hints) -> Delta:
    diff = parts.need("diff")
    if any(name in parts for name in ("up", "hada_w1_a", "lokr_w1", "lokr_w1_a")):
        return Dense(diff=diff)
    scale = _scale(parts, hints, None)
    return _wrap_factors(parts, Dense(diff=diff, scale=scale), scale)


def _norm(parts: ModuleTensors, hints: Hints) -> Delta:
    return Norm(diff=parts.need("w_norm"))


def _set(parts: ModuleTensors, hints: Hints) -> Delta:
    return SetWeight(weight=parts.need("set_weight"))


def _oft(parts: ModuleTensors, hints: Hints) -> Delta:
    blocks, rescale = parts.need("oft_blocks"), parts.take("rescale")
    constraint = parts.number("alpha") or 0.0
    if blocks.ndim == 4:
        return BOFT(blocks=blocks, constraint=constraint, rescale=rescale)
    return OFT(blocks=blocks, constraint=constraint, rescale=rescale)


def _oft_diag(parts: ModuleTensors, hints: Hints) -> Delta:
    parts.number("alpha")  # old LyCORIS stores one and does not use it
    return RotationOFT(oft_diag=parts.need("oft_diag"))


def _ia3(parts: ModuleTensors, hints: Hints) -> Delta:
    on_input = parts.number("on_input")
    return IA3(weight=parts.need("weight"), on_input=bool(on_input))


def _peft_ia3(parts: ModuleTensors, hints: Hints) -> Delta:
    factor, side = parts.need("ia3_l"), hints.on_input
    if factor.ndim == 2 and factor.numel() > 1:
        side = factor.shape[0] == 1
    return PeftIA3(factor=factor, on_input=side)


def _peft_oft(parts: ModuleTensors, hints: Hints) -> Delta:
    packed, scaled = parts.need("oft_R"), parts.flag("oft_R.scaled_oft")
    return PeftOFT(packed=packed, neumann=hints.neumann, limit=hints.limit, scaled=scaled)


def _peft_boft(parts: ModuleTensors, hints: Hints) -> Delta:
    return PeftBOFT(blocks=parts.need("boft_R"), scale_s=parts.take("boft_s"))


def _glora(parts: ModuleTensors, hints: Hints) -> Delta:
    a1, a2, b1, b2 = (parts.need(f"{name}.weight") for name in ("a1", "a2", "b1", "b2"))
    if min(factor.ndim for factor in (a1, a2, b1, b2)) < 2:
        raise bad_module("a factor of its GLoRA is no matrix")
    new = a1.shape[1] == a2.shape[0] == b1.shape[1] == b2.shape[0]
    old = a1.shape[0] == a2.shape[1] == b1.shape[0] == b2.shape[1]
    if not new and not old:
        raise bad_module("its GLoRA factors share no rank in either layout")
    if new and old:  # a square layer: inputs, outputs and rank can swap parts, and the rank is the smaller
        new = a1.shape[1] <= a1.shape[0]
    scale = _scale(parts, hints, a2.shape[0] if new else a1.shape[0])
    layout: Literal["new", "old"] = "new" if new else "old"
    return GLoRA(a1=a1, a2=a2, b1=b1, b2=b2, bm=parts.take("bm.weight"), scale=scale, layout=layout)


_BUILDERS: tuple[tuple[tuple[str, ...], Callable[[ModuleTensors, Hints], Delta]], ...] = (
    (("up", "down"), _lora),
    (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), _loha),
    (("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"), _lokr),
    (("oft_blocks",), _oft),
    (("oft_diag",), _oft_diag),
    (("on_input",), _ia3),
    (("a1.weight", "a2.weight", "b1.weight", "b2.weight"), _glora),
    (("oft_R",), _peft_oft),
    (("boft_R",), _peft_boft),
    (("ia3_l",), _peft_ia3),
    (("set_weight",), _set),
    (("diff",), _full),
    (("w_norm",), _norm),
)
"""Tensors that identify a type and the function that builds its delta; diff and w_norm may accompany another type."""
