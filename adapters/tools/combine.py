"""Merge several adapters into one; resize an adapter to fewer ranks."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch

from ...core.errors import BadParameter, BadWeights
from ..applying.experts import check_alike
from ..applying.fitness import ALLOW_OTHERS, check_finite, check_strength
from ..deltas.lowrank import LowRank
from ..modules.architectures import TRANSFORMER_MODELS
from ..modules.transformer_slots import list_joined_parts
from ..reading.base_model import guess_from_modules
from .carried_metadata import merge_metadata
from .decompose import report_numeric_errors, truncate, truncate_delta, truncate_matrix
from .module_sums import ModuleSum, sum_modules
from .save import (
    ToolReport,
    check_output,
    count_ranks,
    hash_source,
    is_linear,
    list_notes,
    list_source_files,
    list_unused,
    make_factor_tensors,
    make_source_entry,
    parse_dtype,
    save_kohya,
)
from .svd import RankRule, factor_product
from .transformer_form import respell, respell_tables

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..adapter import Adapter
    from .save import Progress

How = Literal["concat", "svd"]
DENSE_RANK = 64
"""Default rank for changes that are no product of two factors."""


@dataclass
class _Output:
    """Tensors of the new file by module, and what was approximated."""

    dtype: torch.dtype
    modules: dict[str, dict[str, Tensor]] = field(default_factory=lambda: defaultdict(dict))
    errors: dict[str, float] = field(default_factory=dict[str, float])
    reduced: Counter[str] = field(default_factory=Counter[str])

    def add_product(self, name: str, up: Tensor, down: Tensor, kernel: tuple[int, ...]) -> None:
        """Store two factors."""
        try:
            self.modules[name].update(make_factor_tensors(up, down, kernel, self.dtype))
        except BadWeights as error:
            raise BadWeights(error.what, where=name, fix=error.fix) from error

    def add_truncated(self, name: str, parts: tuple[Tensor, Tensor, float], kernel: tuple[int, ...]) -> None:
        """Store what a rule leaves of a spectrum: two factors, and the error."""
        up, down, error = parts
        self.add_product(name, up, down, kernel)
        if error:
            self.errors[name] = error

    def add_whole(self, name: str, suffix: str, total: Tensor) -> None:
        """Store a sum of differences."""
        self.modules[name][suffix] = stored = total.to(self.dtype)
        if not bool(torch.isfinite(stored).all()):
            raise BadWeights(f"its sum is infinite or NaN in {self.dtype}", where=name, fix="save in float32")


def merge(
    sources: Sequence[tuple[Adapter, float] | tuple[Adapter, float, float]],
    output: str | os.PathLike[str],
    *,
    how: How = "concat",
    rule: RankRule | None = None,
    dtype: str | None = None,
    allow_mismatch: bool = False,
    progress: Progress | None = None,
) -> ToolReport:
    """Write one LoRA that changes a model as all sources together do: (adapter, strength[, text encoder strength]).

    concat: factors side by side, scales and strengths folded in, alpha = the sum of ranks: exact but for the dtype.
    svd: the same cut down by the rule (QR of the factors; the product is never formed). LoHa, LoKr and differences
    beside factors are summed whole and cut by the rule (rank DENSE_RANK without one), which the notes say; norms,
    biases and pure differences stay exact. dtype: None is float32 where folding would round, else the sources' own.
    Raises BadWeights for kinds that depend on the weight they meet, naming them, and for sources of different base
    models or experts, unless allow_mismatch; BadParameter for strengths that are not finite and if output is an input.
    """
    if how == "svd" and rule is None:
        raise BadParameter("a merge by SVD needs to know the rank", where="rank", fix="give a rank or a rule")
    path = check_output(output, [file for source in sources for file in list_source_files(source[0])])
    triples = [(source[0], *_check_strengths(source[0], source[1], source[-1])) for source in sources]
    triples = _read_alike(triples)
    if not allow_mismatch:
        check_alike([adapter for adapter, *_ in triples], ALLOW_OTHERS)
    _check_sources([adapter for adapter, *_ in triples])
    triples = _agree(triples)
    sums = sum_modules(triples)
    result = _Output(parse_dtype(dtype) if dtype else _choose_dtype(sums, how))
    for done, total in enumerate(sums.values(), start=1):
        _add_module(result, total, how, rule)
        if progress is not None:
            progress(done, len(sums))
    step = {"tool": "merge", "how": how, "adapters": [make_source_entry(*triple) for triple in triples]}
    return _finish(path, result, triples, step)


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
    path = check_output(output, list_source_files(adapter))
    _check_sources([adapter])
    result, sums = _Output(parse_dtype(dtype)), sum_modules([(adapter, 1.0, 1.0)])
    for done, total in enumerate(sums.values(), start=1):
        _add_module(result, total, "svd", rule)
        if progress is not None:
            progress(done, len(sums))
    source = {"name": adapter.name, "sha256": hash_source(adapter)}
    step = {"tool": "resize", "adapters": [source], "rule": rule.kind, "most": rule.most, "value": rule.value}
    return _finish(path, result, [(adapter, 1.0, 1.0)], step)


def _read_alike(triples: list[tuple[Adapter, float, float]]) -> list[tuple[Adapter, float, float]]:
    """The sources, read as files for one base model where all could be for that."""
    for base in dict.fromkeys(adapter.base_model for adapter, *_ in triples):
        if all(base in (adapter.base_model, *adapter.could_be) for adapter, *_ in triples):
            return [(adapter.read_as(base), unet, encoder) for adapter, unet, encoder in triples]
    return triples


def _agree(triples: list[tuple[Adapter, float, float]]) -> list[tuple[Adapter, float, float]]:
    """The sources with layers of a transformer as all of them have them: joined, where any joins them."""
    base = triples[0][0].base_model
    if base not in TRANSFORMER_MODELS:
        return triples
    joined = any(list_joined_parts(base, name) for adapter, *_ in triples for name in adapter.modules)
    if not joined:
        return triples
    return [
        (replace(adapter, modules=dict(respell(base, adapter.modules, maker=True))), unet, encoder)
        for adapter, unet, encoder in triples
    ]


def _check_strengths(adapter: Adapter, unet: float, encoder: float) -> tuple[float, float]:
    where = f"strength of {adapter.name}"
    return check_strength(unet, where), check_strength(encoder, where)


def _check_sources(adapters: Sequence[Adapter]) -> None:
    for adapter in adapters:
        check_finite(adapter)
        bad = Counter(delta.algorithm for delta in adapter.modules.values() if not is_linear(delta))
        if bad:
            kinds = ", ".join(f"{count} {kind}" for kind, count in bad.items())
            raise BadWeights(
                f"holds {kinds}: their effect depends on the weight they meet, so there is no sum of them",
                where=str(adapter.path),
                fix="bake it into a checkpoint and extract from that",
            )


def _add_module(output: _Output, total: ModuleSum, how: How, rule: RankRule | None) -> None:
    if total.others or (total.products and total.diffs):
        _truncate_dense(output, total, rule or RankRule(DENSE_RANK))
    elif total.products:
        up, down = total.factors()
        if how == "svd" and rule is not None:
            with report_numeric_errors(total.name):
                output.add_truncated(total.name, truncate(factor_product(up, down), rule), total.kernel())
        else:
            output.add_product(total.name, up, down, total.kernel())
    elif total.diffs:
        output.add_whole(total.name, "diff", total.diff())
    if total.norms:
        output.add_whole(total.name, "w_norm", total.norm())
    if total.biases:
        output.add_whole(total.name, "diff_b", total.bias())


def _truncate_dense(output: _Output, total: ModuleSum, rule: RankRule) -> None:
    shape = total.find_shape()
    if len(shape) < 2:
        output.add_whole(total.name, "diff", total.dense())
        return
    if len(total.others) == 1 and not total.products and not total.diffs:
        delta, strength = total.others[0]
        parts = truncate_delta(total.name, delta, rule, strength)
    else:
        with report_numeric_errors(total.name):
            parts = truncate_matrix(total.dense().flatten(1), rule)
    output.add_truncated(total.name, parts, shape[2:])
    output.reduced.update({one.delta.algorithm for one in (*total.products, *total.diffs, *total.others)})


def _choose_dtype(sums: Mapping[str, ModuleSum], how: How) -> torch.dtype:
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
    path: Any, result: _Output, triples: Sequence[tuple[Adapter, float, float]], step: dict[str, Any]
) -> ToolReport:
    base = triples[0][0].base_model
    if base not in TRANSFORMER_MODELS:
        base = guess_from_modules({name: delta for one, *_ in triples for name, delta in one.modules.items()})
    notes = list_notes(sources := [adapter for adapter, *_ in triples], path)
    notes += [f"{count} modules of type {kind} became LoRA" for kind, count in sorted(result.reduced.items())]
    tokens = sorted({token for adapter in sources for token in adapter.embeddings})
    if tokens:
        notes.append(f"learned tokens are not carried over: {', '.join(tokens)[:200]}")
    carried, differing = merge_metadata([adapter.metadata for adapter in sources])
    modules = respell_tables(base, result.modules)
    save_kohya(path, modules, base, step, carried, triples[0][0].metadata if len(triples) == 1 else None)
    left, ranks = list_unused(sources), count_ranks(modules)
    return ToolReport(path, len(modules), base, ranks, result.errors, left, (*notes, *differing), (path,))
