"""Layers that a model's maker stores in another way than diffusers: with their halves swapped, or several in one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from ..deltas.dense import SetWeight
from ..deltas.lowrank import LowRank
from ..deltas.rows import find_rows, swap_halves
from ..modules.parts import TRANSFORMER, find_part
from ..modules.rows import can_be, canonical_modules, match_name
from ..modules.transformer_slots import list_joined_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..deltas.base import Delta

_PROBES, _CLOSE = 2, 2e-2
"""Columns that two changes are compared with, and how far apart half precision may bring them, relative."""


def restore_rows(architecture: str, modules: dict[str, Delta], originals: Mapping[str, str]) -> dict[str, str]:
    """Give deltas of layers under their makers' names the rows that diffusers' layers have, in place.

    originals: module → its maker's name, of those that are one layer in both. What does not fit is taken out; returned
    with the reason.
    """
    misfits: dict[str, str] = {}
    width = _find_width(modules)
    for module, original in originals.items():
        delta, total = modules[module], find_rows(modules[module])
        if total is None:
            continue
        rows = canonical_modules(architecture, original, _guess_shape(delta, total, width))
        try:
            modules[module] = swap_halves(delta, total) if len(rows) == 1 and rows[0].swapped else delta
        except BadWeights as error:
            misfits[module] = error.what
            del modules[module]
    return misfits


def find_misfits(architecture: str, modules: Mapping[str, Delta]) -> dict[str, str]:
    """Joined layers whose rows cannot be those of the layers in them, in a model of any width → why."""
    misfits: dict[str, str] = {}
    for module, delta in modules.items():
        extent, parts = delta.extent, list_joined_parts(architecture, module)
        match = (
            match_name(architecture, module.removeprefix(f"{TRANSFORMER}.")) if parts and extent is not None else None
        )
        if match is not None and extent is not None and not can_be(architecture, match, (extent.rows, extent.cols)):
            names = ", ".join(part.rpartition(".")[2] for part in parts)
            misfits[module] = f"its factors for {[extent.rows, extent.cols]} cannot be divided into rows of {names}"
    return misfits


def _find_width(modules: Mapping[str, Delta]) -> int:
    """Columns that most layers have: the model's width; 0 where none shows them."""
    extents = (delta.extent for name, delta in modules.items() if find_part(name) == TRANSFORMER)
    counts = Counter(extent.cols for extent in extents if extent is not None)
    return max(counts, key=lambda cols: counts[cols], default=0)


def _guess_shape(delta: Delta, total: int, width: int = 0) -> tuple[int, ...]:
    """Shape of the weight, columns as far as the delta or others of the file show them."""
    extent = delta.extent
    if extent is None and isinstance(delta, SetWeight):
        return tuple(delta.weight.shape)
    columns = width if extent is None else extent.cols
    return (total, columns) if columns else (total,)


def find_repetitions(architecture: str, modules: Mapping[str, Delta]) -> dict[str, str]:
    """Modules of joined layers whose parts the file has, too, with the reason why they are left out.

    Some trainers write both (q, k and v, and qkv); diffusers goes by the parts, and so it is here.
    """
    found: dict[str, str] = {}
    for module, delta in modules.items():
        total = find_rows(delta)
        if find_part(module) != TRANSFORMER or total is None:
            continue
        own = module.removeprefix(f"{TRANSFORMER}.")
        parts = [rows.module for rows in canonical_modules(architecture, own, _guess_shape(delta, total))]
        apart = [part for part in parts if part in modules]
        if len(parts) > 1 and apart:
            known = _is_sum(delta, [modules[part] for part in apart]) if apart == parts else False
            words = "repeats" if known else "differs from"
            found[module] = f"{words} {', '.join(apart)}, which are used in its place, as in diffusers"
    return found


def _is_sum(whole: Delta, parts: Sequence[Delta]) -> bool:
    """Whether a joined LoRA is the same change as those of its parts, by what both do to a few vectors."""
    if not isinstance(whole, LowRank) or not all(isinstance(part, LowRank) for part in parts):
        return False
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(whole.extent.cols, _PROBES, generator=generator)
    low = [part for part in parts if isinstance(part, LowRank)]
    if any(part.extent.cols != len(probe) for part in low):
        return False
    one, other = _project(whole, probe), torch.cat([_project(part, probe) for part in low])
    return one.shape == other.shape and float((one - other).norm()) <= _CLOSE * float(other.norm())


def _project(delta: LowRank, probe: Tensor) -> Tensor:
    up, down = delta.factors()
    return up @ (down @ probe)
