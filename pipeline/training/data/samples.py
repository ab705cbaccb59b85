"""A picture of a training set with its caption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from .shards import Member


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. name: below the training set's folder, with / on every system. digest: SHA-256 of the file.

    read: gives the file's bytes, raises BadImage. caption: as found, or what takes its place. folder: the words of its
    folder's name, without the count of repeats. mask: file of its mask. fields: texts that metadata.jsonl has of it,
    such as the name of a map.
    """

    name: str
    digest: str
    read: Any
    caption: str = ""
    folder: str = ""
    repeats: int = 1
    mask: Member | None = None
    fields: dict[str, str] = {}
