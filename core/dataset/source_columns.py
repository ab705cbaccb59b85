"""Whether tables have the columns that a run is to read, before anything is written."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import BadImage, BadParameter
from .remote import is_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .rows import Shard


def check_columns(shards: Sequence[Shard], image: str, key: str) -> None:
    """Raise BadParameter where no table on this machine has the columns of picture and key.

    Where one has them a run begins; the others are refused when their turn comes, as are tables that cannot be read.
    """
    fault: BadImage | None = None
    tables = [shard for shard in shards if shard.kind in ("parquet", "lance") and not is_url(shard.path)]
    if len(tables) < len(shards):
        return
    for shard in tables:
        source = import_module(f".sources.{shard.kind}", __package__)
        try:
            names = source.list_columns(shard)
        except BadImage:
            continue
        try:
            source.choose_column(names, image, key, where=shard.path)
        except BadImage as error:
            fault = fault or error
        else:
            return
    if fault is not None:
        raise BadParameter(fault.what, where=fault.where, fix=fault.fix) from fault
