"""Pictures of a folder, with captions in text files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...batch.layouts import read_caption
from ...errors import BadImage
from ..rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Shard


def iter_rows(shard: Shard, *, image: str, key: str) -> Iterator[Row]:
    """One row for each picture; a caption is the field ``txt``."""
    folder = Path(shard.path)
    for index, (name, own) in enumerate(zip(shard.names, shard.keys, strict=True)):
        path = folder / name
        try:
            text = read_caption(path)
        except BadImage as error:
            yield Row(key=own, index=index, path=str(path), problem=str(error))
            continue
        yield Row(key=own, index=index, path=str(path), fields={"txt": text} if text else {})
