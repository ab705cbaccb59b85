"""Tensors that Forge makes patches of: which reading of a file it gets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ...core.errors import UnderdrawingError
from ..reading.files import read_file
from .form import bake_host_form, is_plain, name_for_hosts
from .receipt import HostReceipt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from torch import Tensor

    from .model import HostModel
    from .tags import HostTag

    Tensors = dict[str, Any]

log = logging.getLogger("underdrawing")


def choose_tensors(
    path: Path,
    tag: HostTag | None,
    model: HostModel,
    by_itself: Callable[[], Tensors],
    list_unmatched: Callable[[Tensors], Collection[str]],
    find_weights: Callable[[str], tuple[Tensor | None, Tensor | None]],
) -> tuple[Tensors, HostReceipt]:
    """The tensors of a file for the host, and its receipt.

    by_itself: the host reads the file. list_unmatched: keys that it would drop. Its own reading is taken where it drops
    none and the tag has no block weights, which are multiplied into the tensors; a file that
    was made for another base model has none. find_weights: of the loaded model
    without adapters, by kohya's name.
    """
    blocks = tag is not None and tag.call.block_weights is not None
    try:
        read, remark = model.read(path)
        if refusal := model.find_refusal(read):
            return {}, HostReceipt.refuse(read, refusal)
        adapter = name_for_hosts(read)
    except UnderdrawingError as error:
        held = _read_unknown(path, by_itself)
        known = bool(held) and len(list_unmatched(held)) < len(held)
        return held if known else {}, HostReceipt(path.stem, problem="" if known and not blocks else str(error))
    plain = adapter.dialect == "kohya" and all(map(is_plain, adapter.modules.values()))
    held = by_itself() if plain else {}
    whole = bool(held) and not list_unmatched(held)
    if whole and not blocks:
        return held, HostReceipt.of(adapter, len(adapter.modules), {}, converted=False, remark=remark)
    form = bake_host_form(adapter, model.base_model, find_weights, _no_factor if tag is None else tag.find_factor)
    reached = len(form.modules) - len(form.refused)
    converted = not whole and bool(set(form.tensors) - set(held))
    return form.tensors, HostReceipt.of(adapter, reached, form.own, converted=converted, remark=remark)


def _no_factor(_module: str, _base_model: str) -> float:
    return 1.0


def _read_unknown(path: Path, by_itself: Callable[[], Tensors]) -> Tensors:
    """What only the host may know, of another kind of model. Damaged files are kept from it: it renames them."""
    try:
        read_file(path)
        return by_itself()
    except Exception as error:  # noqa: BLE001 - whatever the host cannot read is told
        log.debug("%s is not read by the host: %s", path, error)
        return {}
