"""Deltas of a transformer under diffusers' names and its maker's: layers that one of them joins are joined or cut.

Exact, or refused with the reason. Cut: rows of the factors. Joined: factors side by side, blocks along the diagonal,
which gives the sum of the ranks; one down for all where the parts share theirs, as those that came out of one do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from ..deltas.base import Delta, to_float32
from ..deltas.build import build
from ..deltas.dense import Dense
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard
from ..deltas.rows import swap_halves, take_rows
from ..modules.architectures import TRANSFORMER_MODELS, list_modules
from ..modules.parts import TRANSFORMER, find_part
from ..modules.rows import canonical_modules, match_name
from ..modules.transformer_slots import list_joined_parts
from .kohya_form import make_kohya_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

_PREFIX = f"{TRANSFORMER}."
_FIX = "write it in diffusers' names, or keep the file as it is"


def respell(architecture: str, modules: Mapping[str, Delta], *, maker: bool) -> Mapping[str, Delta]:
    """Deltas of a transformer model by the maker's names or by diffusers'; those of other models as they are."""
    if architecture not in TRANSFORMER_MODELS:
        return modules
    return to_maker(architecture, modules) if maker else to_diffusers(architecture, modules)


def respell_tables(architecture: str, tables: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """The same of kohya's tensors by suffix, by the maker's names. Raises BadWeights where some cannot be joined."""
    if architecture not in TRANSFORMER_MODELS:
        return {name: dict(table) for name, table in tables.items()}
    deltas: dict[str, Delta] = {}
    for name, table in tables.items():
        built = build(table)
        if built.delta is None:
            raise BadWeights(next(iter(built.problems.values()), "has no form"), where=name)
        deltas[name] = built.delta
    return {name: make_kohya_tensors(delta) for name, delta in to_maker(architecture, deltas).items()}


def to_diffusers(architecture: str, modules: Mapping[str, Delta]) -> dict[str, Delta]:
    """The same deltas by canonical names. Raises BadWeights where one of joined layers cannot be cut, by name."""
    result: dict[str, Delta] = {}
    for name, delta in modules.items():
        parts = list_joined_parts(architecture, name)
        if not parts:
            _add(result, name, delta)
            continue
        try:
            total, columns = _find_size(delta)
            rows = canonical_modules(architecture, name.removeprefix(_PREFIX), (total, columns))
            if not rows:
                raise BadWeights(f"{total} rows cannot be divided among {', '.join(parts)}", fix=_FIX)
            for module, start, length, _ in rows:
                _add(result, module, take_rows(delta, ((start, length),), total))
        except BadWeights as error:
            raise BadWeights(error.what, where=name, fix=error.fix) from error
    return result


def to_maker(architecture: str, modules: Mapping[str, Delta]) -> dict[str, Delta]:
    """The same deltas by "transformer." and the maker's names. Raises BadWeights where some cannot be."""
    result: dict[str, Delta] = {}
    groups: dict[str, dict[str, Delta]] = {}
    for name, delta in modules.items():
        match = match_name(architecture, name.removeprefix(_PREFIX)) if find_part(name) == TRANSFORMER else None
        if match is None:
            _add(result, name, delta)
        elif match.own:
            _add(result, f"{_PREFIX}{match.original}", delta)
        else:
            groups.setdefault(match.original, {})[name] = delta
    for original, parts in groups.items():
        try:
            _add(result, f"{_PREFIX}{original}", _join(architecture, original, parts))
        except BadWeights as error:
            raise BadWeights(error.what, where=f"{_PREFIX}{original}", fix=error.fix) from error
    return result


def _add(result: dict[str, Delta], name: str, delta: Delta) -> None:
    if name in result:
        raise BadWeights("is changed alone and together with others in one file", where=name, fix=_FIX)
    result[name] = delta


def _find_size(delta: Delta) -> tuple[int, int]:
    extent = delta.extent
    if extent is None:
        raise BadWeights(
            f"a layer of type {delta.algorithm} does not show which rows it is for", fix="keep the file as it is"
        )
    return extent.rows, extent.cols


def _join(architecture: str, original: str, parts: Mapping[str, Delta]) -> Delta:
    whole = match_name(architecture, original)
    assert whole is not None
    if len(whole.canonical) == 1:
        (delta,) = parts.values()
        rows = _find_size(delta)[0] if _is_swapped(architecture, original, delta) else 0
        return swap_halves(delta, rows) if rows else delta
    lengths = _find_lengths(architecture, whole.canonical, parts)
    return join_deltas([parts.get(name) for name in whole.canonical], lengths)


def _is_swapped(architecture: str, original: str, delta: Delta) -> bool:
    extent = delta.extent
    shape = (extent.rows, extent.cols) if extent is not None else ()
    return bool(shape) and any(one.swapped for one in canonical_modules(architecture, original, shape))


def _find_lengths(architecture: str, names: Sequence[str], parts: Mapping[str, Delta]) -> list[int]:
    """Rows of every layer; those that the file leaves alone have as many as in the released model, to its scale."""
    known, official = {name: _find_size(delta)[0] for name, delta in parts.items()}, list_modules(architecture)
    first = next(iter(known))
    lengths: list[int] = []
    for name in names:
        pair = [official[one].shape[0] for one in (name, first) if one in official]
        rows, rest = divmod(pair[0] * known[first], pair[1]) if len(pair) == 2 else (known[first], 0)
        if name not in known and rest:
            raise BadWeights(f"how many rows {name} has is not known", fix=_FIX)
        lengths.append(known.get(name, rows))
    return lengths


def join_deltas(parts: Sequence[Delta | None], lengths: Sequence[int]) -> Delta:
    """One delta of layers whose rows follow each other; None: nothing is changed in those rows.

    Raises BadWeights for kinds that have no joint form, with the reason.
    """
    held = [part for part in parts if part is not None]
    kinds = {type(part) for part in held}
    if len(kinds) > 1:
        names = ", ".join(sorted({part.algorithm for part in held}))
        raise BadWeights(f"layers that are joined have changes of several kinds ({names})", fix=_FIX)
    biases = [part.bias for part in held]
    if any(bias is not None for bias in biases) and (len(held) < len(parts) or any(bias is None for bias in biases)):
        raise BadWeights("only some of the layers that are joined bring a bias", fix=_FIX)
    joined = _JOINERS.get(next(iter(kinds)), _refuse)(parts, lengths)
    found = [bias.reshape(-1) for bias in biases if bias is not None]
    return replace(joined, bias=torch.cat(found)) if found else joined


def _refuse(parts: Sequence[Delta | None], _: Sequence[int]) -> Delta:
    algorithm = next(part.algorithm for part in parts if part is not None)
    raise BadWeights(f"a {algorithm} of each of several layers is none of the weight that joins them", fix=_FIX)


def _join_low_rank(parts: Sequence[Delta | None], lengths: Sequence[int]) -> Delta:
    low = [part if isinstance(part, LowRank) else None for part in parts]
    held = [part for part in low if part is not None]
    if any(part.mid is not None for part in held):
        raise BadWeights("LoRAs with a core of several layers are none of the weight that joins them", fix=_FIX)
    scale = held[0].scale
    same = all(part.scale == scale for part in held)
    if same and len(held) == len(parts) and all(_equal(part.down, held[0].down) for part in held):
        return LowRank(up=torch.cat([part.up for part in held]), down=held[0].down, scale=scale)
    ups = [None if part is None else part.up if same else to_float32(part.up) * part.scale for part in low]
    down = torch.cat([part.down for part in held])
    return LowRank(up=_stack(ups, lengths, held[0].up), down=down, scale=scale if same else 1.0)


def _join_hadamard(parts: Sequence[Delta | None], lengths: Sequence[int]) -> Delta:
    products = [part if isinstance(part, Hadamard) else None for part in parts]
    held = [part for part in products if part is not None]
    if any(part.t1 is not None for part in held):
        raise BadWeights("LoHas with cores of several layers are none of the weight that joins them", fix=_FIX)
    scale = held[0].scale
    same = all(part.scale == scale for part in held)
    first = [None if p is None else p.w1_a if same else to_float32(p.w1_a) * p.scale for p in products]
    second = [None if part is None else part.w2_a for part in products]
    return Hadamard(
        w1_a=_stack(first, lengths, held[0].w1_a),
        w1_b=torch.cat([part.w1_b for part in held]),
        w2_a=_stack(second, lengths, held[0].w2_a),
        w2_b=torch.cat([part.w2_b for part in held]),
        scale=scale if same else 1.0,
    )


def _join_dense(parts: Sequence[Delta | None], lengths: Sequence[int]) -> Delta:
    held = [part for part in parts if isinstance(part, Dense)]
    columns = held[0].diff.shape[1:]
    rows = [
        to_float32(part.diff) * part.scale if isinstance(part, Dense) else torch.zeros((length, *columns))
        for part, length in zip(parts, lengths, strict=True)
    ]
    return Dense(diff=torch.cat(rows))


def _join_dora(parts: Sequence[Delta | None], lengths: Sequence[int]) -> Delta:
    held = [part for part in parts if isinstance(part, Dora)]
    if len(held) < len(parts) or any(part.axis != "out" for part in held):
        why = "some of the layers that are joined have none" if len(held) < len(parts) else "its norms are of all rows"
        raise BadWeights(f"a DoRA of each of several layers is none of the weight that joins them: {why}", fix=_FIX)
    inner = join_deltas([part.inner for part in held], lengths)
    return Dora(inner=inner, magnitude=torch.cat([part.magnitude.reshape(-1) for part in held]), axis="out")


_JOINERS: dict[type[Delta], Callable[[Sequence[Delta | None], Sequence[int]], Delta]] = {
    LowRank: _join_low_rank,
    Hadamard: _join_hadamard,
    Dense: _join_dense,
    Dora: _join_dora,
}


def _equal(one: Tensor, two: Tensor) -> bool:
    return one is two or (one.dtype == two.dtype and torch.equal(one, two))


def _stack(ups: Sequence[Tensor | None], lengths: Sequence[int], like: Tensor) -> Tensor:
    """Blocks along the diagonal; rows of zeros where there is none."""
    width = sum(up.shape[1] for up in ups if up is not None)
    dtype = next(up.dtype for up in ups if up is not None)
    result = torch.zeros((sum(lengths), width, *like.shape[2:]), dtype=dtype)
    row = column = 0
    for up, length in zip(ups, lengths, strict=True):
        if up is not None:
            result[row : row + length, column : column + up.shape[1]] = up
            column += up.shape[1]
        row += length
    return result
