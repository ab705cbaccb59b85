"""Pictures of a folder, with captions in text files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...batch.layouts import read_caption
from ...errors import BadImage
from ..remote import is_url, read_file
from ..rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Shard


def iter_rows(shard: Shard, *, image: str, key: str) -> Iterator[Row]:
    """One row for each picture; a caption is the field ``txt``, of folders on this machine."""
    if is_url(shard.path):
        yield from _iter_urls(shard)
        return
    folder = Path(shard.path)
    for index, (name, own) in enumerate(zip(shard.names, shard.keys, strict=True)):
        path = folder / name
        try:
            text = read_caption(path)
        except BadImage as error:
            yield Row(key=own, index=index, path=str(path), problem=str(error))
            continue
        yield Row(key=own, index=index, path=str(path), fields={"txt": text} if text else {})


def _iter_urls(shard: Shard) -> Iterator[Row]:
    for index, (name, own) in enumerate(zip(shard.names, shard.keys, strict=True)):
        url = f"{shard.path}/{name}"
        try:
            yield Row(key=own, index=index, picture=read_file(url))
        except BadImage as error:
            yield Row(key=own, index=index, path=url, problem=str(error))
