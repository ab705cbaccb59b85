"""A picture of a training set with its caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. name: below the training set's folder, with / on every system. digest: SHA-256 of the file.

    read: gives the file's bytes. folder: the words of its folder's name, without the count of repeats. mask: gives the
    bytes of its mask. fields: what metadata.jsonl says of it besides (such as the name of a map).
    """

    name: str
    digest: str
    read: Callable[[], bytes]
    caption: str = ""
    captioned: bool = False
    folder: str = ""
    repeats: int = 1
    mask: Callable[[], bytes] | None = None
    fields: dict[str, str] = {}
