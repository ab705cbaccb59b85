"""Several adapters made one, and adapters made smaller."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch

from ...core.errors import BadParameter, BadWeights
from ...core.files import sha256_file
from ..deltas.base import wide
from ..deltas.dense import BiasOnly, Dense, Norm, Summed
from ..deltas.lowrank import LowRank
from ..modules.parts import UNET, part_of
from ..reading.base_model import base_of
from .export_names import kernel_of
from .save import ToolReport, dense_change, dtype_of, factor_tensors, is_linear, not_an_input, save_kohya, source_entry
from .svd import Factors, RankRule, balanced, leading, of_product

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .save import Progress

How = Literal["concat", "svd"]
DENSE_RANK = 64
"""Rank at which changes that are no product of two factors are kept when no rule says otherwise."""


class _Piece(NamedTuple):
    delta: Delta
    strength: float


@dataclass
class _Sum:
    """What one module receives from all sources, by kind."""

    products: list[_Piece] = field(default_factory=list["_Piece"])
    others: list[_Piece] = field(default_factory=list["_Piece"])
    diffs: list[_Piece] = field(default_factory=list["_Piece"])
    norms: list[_Piece] = field(default_factory=list["_Piece"])
    biases: list[_Piece] = field(default_factory=list["_Piece"])

    def add(self, delta: Delta, strength: float) -> None:
        """Sort a delta in, its bias apart."""
        piece = _Piece(delta, strength)
        if delta.bias is not None:
            self.biases.append(piece)
        if isinstance(delta, Summed):
            for part in delta.parts:
                self.add(part, strength)
        elif not isinstance(delta, BiasOnly):
            kinds: dict[type[Delta], list[_Piece]] = {LowRank: self.products, Dense: self.diffs, Norm: self.norms}
            kinds.get(type(delta), self.others).append(piece)


@dataclass
class _Made:
    """Results on their way into the file."""

    dtype: torch.dtype
    modules: dict[str, dict[str, Tensor]] = field(default_factory=lambda: defaultdict(dict))
    errors: dict[str, float] = field(default_factory=dict[str, float])
    reduced: Counter[str] = field(default_factory=Counter[str])

    def product(self, name: str, up: Tensor, down: Tensor, kernel: tuple[int, ...]) -> None:
        """Keep two factors."""
        try:
            self.modules[name].update(factor_tensors(up, down, kernel, self.dtype))
        except BadWeights as error:
            raise BadWeights(error.what, where=name, fix=error.fix) from error

    def cut(self, name: str, factors: Factors, rule: RankRule, kernel: tuple[int, ...]) -> None:
        """Keep what a rule leaves of a spectrum."""
        rank = rule.rank(factors)
        self.product(name, *balanced(factors, rank), kernel)
        if error := factors.error(rank):
            self.errors[name] = error

    def whole(self, name: str, suffix: str, total: Tensor) -> None:
        """Keep a sum of differences."""
        self.modules[name][suffix] = kept = total.to(self.dtype)
        if not bool(torch.isfinite(kept).all()):
            raise BadWeights(f"its sum is infinite or NaN in {self.dtype}", where=name, fix="save in float32")


def merge(
    sources: Sequence[tuple[Adapter, float] | tuple[Adapter, float, float]],
    output: str | os.PathLike[str],
    *,
    how: How = "concat",
    rule: RankRule | None = None,
    dtype: str | None = None,
    progress: Progress | None = None,
) -> ToolReport:
    """Write one LoRA that changes a model as all sources together do: (adapter, strength[, text encoder strength]).

    concat: factors side by side, scales and strengths folded in, alpha = the sum of ranks: exact but for the dtype.
    svd: the same cut down by the rule (QR of the factors; the product is never formed). LoHa, LoKr and differences
    beside factors are summed whole and cut by the rule (rank DENSE_RANK without one), which the notes say; norms,
    biases and pure differences stay exact. dtype: None is float32 where folding would round, else the sources' own.
    Raises BadWeights for kinds that depend on the weight they meet, naming them; BadParameter if output is an input.
    """
    if how == "svd" and rule is None:
        raise BadParameter("a merge by SVD needs to know the rank", where="rank", fix="give a rank or a rule")
    path = not_an_input(output, [source[0].path for source in sources])
    triples = [(source[0], source[1], source[-1]) for source in sources]
    _refuse([adapter for adapter, *_ in triples])
    sums = _sums(triples)
    made = _Made(dtype_of(dtype) if dtype else _dtype(sums, how))
    for done, (name, total) in enumerate(sums.items(), start=1):
        _module(made, name, total, how, rule)
        if progress is not None:
            progress(done, len(sums))
    adapters = [source_entry(*triple) for triple in triples]
    return _finish(path, made, triples, {"tool": "merge", "how": how, "adapters": adapters})


def resize(
    adapter: Adapter,
    output: str | os.PathLike[str],
    rule: RankRule,
    *,
    dtype: str = "float16",
    progress: Progress | None = None,
) -> ToolReport:
    """Write an adapter with fewer ranks, its alpha equal to the new rank and its scale in the factors.

    As merge by SVD with one source at strength 1; for LoRA and LoCon by QR of the factors and an SVD of the small core.
    """
    path = not_an_input(output, [adapter.path])
    _refuse([adapter])
    made, sums = _Made(dtype_of(dtype)), _sums([(adapter, 1.0, 1.0)])
    for done, (name, total) in enumerate(sums.items(), start=1):
        _module(made, name, total, "svd", rule)
        if progress is not None:
            progress(done, len(sums))
    source = {"name": adapter.name, "sha256": sha256_file(adapter.path)}
    step = {"tool": "resize", "adapters": [source], "rule": rule.kind, "most": rule.most, "value": rule.value}
    return _finish(path, made, [(adapter, 1.0, 1.0)], step)


def _refuse(adapters: Sequence[Adapter]) -> None:
    for adapter in adapters:
        bad = Counter(delta.algorithm for delta in adapter.modules.values() if not is_linear(delta))
        if bad:
            kinds = ", ".join(f"{count} {kind}" for kind, count in bad.items())
            raise BadWeights(
                f"holds {kinds}: their effect depends on the weight they meet, so there is no sum of them",
                where=str(adapter.path),
                fix="bake it into a checkpoint and extract from that",
            )


def _sums(triples: Sequence[tuple[Adapter, float, float]]) -> dict[str, _Sum]:
    sums: dict[str, _Sum] = defaultdict(_Sum)
    for adapter, unet, encoder in triples:
        for name, delta in adapter.modules.items():
            strength = unet if part_of(name) == UNET else encoder
            if strength:
                sums[name].add(delta, strength)
    if not sums:
        raise BadWeights("nothing is left to write: no modules, or strengths of 0 only")
    return sums


def _module(made: _Made, name: str, total: _Sum, how: How, rule: RankRule | None) -> None:
    if total.others or (total.products and total.diffs):
        _cut_whole(made, name, total, rule or RankRule(DENSE_RANK))
    elif total.products:
        up, down = _side_by_side(name, total.products)
        kernel = _kernel(name, total.products)
        if how == "svd" and rule is not None:
            made.cut(name, of_product(up, down), rule, kernel)
        else:
            made.product(name, up, down, kernel)
    elif total.diffs:
        made.whole(name, "diff", _added(name, [p.strength * dense_change(name, p.delta) for p in total.diffs]))
    if total.norms:
        made.whole(name, "w_norm", _added(name, [p.strength * wide(_norm(p)) for p in total.norms]))
    if total.biases:
        made.whole(name, "diff_b", _added(name, list(_biases(total.biases))))


def _norm(piece: _Piece) -> Tensor:
    assert isinstance(piece.delta, Norm)
    return piece.delta.diff.reshape(-1)


def _biases(pieces: Sequence[_Piece]) -> Iterator[Tensor]:
    for piece in pieces:
        change = piece.delta.bias_change(None)
        assert change is not None
        yield change * piece.strength


def _added(name: str, changes: list[Tensor]) -> Tensor:
    """Sum of changes of one weight, whose shapes may differ by trailing axes of one."""
    if len({(len(change), change.numel()) for change in changes}) > 1:
        raise _misfit(name, [list(change.shape) for change in changes])
    return torch.stack([change.reshape(changes[0].shape) for change in changes]).sum(0)


def _misfit(name: str, shapes: Any) -> BadWeights:
    return BadWeights(f"the sources were made for different weights: {shapes}", where=name, fix="use one base model")


def _side_by_side(name: str, pieces: Sequence[_Piece]) -> tuple[Tensor, Tensor]:
    pairs: list[tuple[Tensor, Tensor]] = []
    for delta, strength in pieces:
        assert isinstance(delta, LowRank)
        up, down = delta.factors()
        pairs.append((up * strength if strength != 1 else up, down))
    sizes = {(up.shape[0], down.shape[1]) for up, down in pairs}
    if len(sizes) > 1:
        raise _misfit(name, sorted(sizes))
    return torch.cat([up for up, _ in pairs], 1), torch.cat([down for _, down in pairs])


def _kernel(name: str, pieces: Sequence[_Piece]) -> tuple[int, ...]:
    shown = (tuple(extent.kernel) for delta, _ in pieces if (extent := delta.extent) is not None)
    return next((kernel for kernel in shown if kernel), kernel_of(name))


def _cut_whole(made: _Made, name: str, total: _Sum, rule: RankRule) -> None:
    pieces = [*total.products, *total.diffs, *total.others]
    change = _added(name, [p.strength * dense_change(name, p.delta) for p in pieces])
    if change.ndim < 2:
        made.whole(name, "diff", change)
        return
    matrix = change.flatten(1)
    factors = leading(matrix, min(matrix.shape) if rule.whole else rule.most)
    made.cut(name, factors, rule, tuple(change.shape[2:]))
    made.reduced.update({p.delta.algorithm for p in pieces})


def _dtype(sums: Mapping[str, _Sum], how: How) -> torch.dtype:
    """The widest dtype of the factors; float32 where scales would round them."""
    found = {torch.float16}
    for total in sums.values():
        for delta, strength in [*total.products, *total.others, *total.diffs]:
            folded = strength * (delta.scale if isinstance(delta, LowRank) else 1.0)
            exact = how == "svd" or (isinstance(delta, LowRank) and delta.mid is None and _power_of_two(folded))
            found.add(delta.down.dtype if exact and isinstance(delta, LowRank) else torch.float32)
    return found.pop() if len(found) == 1 else torch.float32


def _power_of_two(value: float) -> bool:
    return abs(math.frexp(value)[0]) == 0.5 and 2**-4 <= abs(value) <= 2**4


def _finish(
    path: Any, made: _Made, triples: Sequence[tuple[Adapter, float, float]], step: dict[str, Any]
) -> ToolReport:
    base = base_of({name: delta for adapter, *_ in triples for name, delta in adapter.modules.items()})
    notes = [f"{count} modules of type {kind} became LoRA" for kind, count in sorted(made.reduced.items())]
    tokens = sorted({token for adapter, *_ in triples for token in adapter.embeddings})
    if tokens:
        notes.append(f"learned tokens are not carried over: {', '.join(tokens)[:200]}")
    save_kohya(path, made.modules, base, step)
    ranks = Counter(
        table["lora_down.weight"].shape[0] for table in made.modules.values() if "lora_down.weight" in table
    )
    return ToolReport(
        path, len(made.modules), base, dict(sorted(ranks.items())), made.errors, {}, tuple(notes), (path,)
    )
