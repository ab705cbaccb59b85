"""Captions: read from files beside a picture, and changed at each step as asked."""

from __future__ import annotations

import json
import random
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDINGS = (".txt", ".caption", ".json")
"""Of files beside a picture that hold its caption; the first that is there counts."""
KEYS = ("text", "caption", "prompt")
"""Of a caption in JSON."""
MOST_BYTES = 1 << 20
"""Of a caption's file; more is no caption."""


class Caption(msgspec.Struct, frozen=True):
    """Text, and what a user should know of how it was read."""

    text: str
    note: str = ""


def read_caption(name: str, content: bytes) -> Caption | None:
    """The caption in a file of that name; None for JSON without one. Raises ValueError with the reason."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"is {len(content)} bytes long, which is no caption")
    text, note = _decode(content)
    if PurePosixPath(name).suffix.lower() == ".json":
        try:
            return find_caption(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is no JSON ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    more = "has several lines, the first counts" if len(lines) > 1 else ""
    return Caption(lines[0] if lines else "", note or more)


def find_caption(entry: object) -> Caption | None:
    """The caption in an object of JSON; tags in a list are joined by commas."""
    table = cast("Mapping[str, Any]", entry) if isinstance(entry, dict) else {}
    for key in (*KEYS, "tags"):
        value = table.get(key)
        if isinstance(value, str):
            return Caption(" ".join(value.split()))
        if isinstance(value, list) and all(isinstance(tag, str) for tag in cast("list[Any]", value)):
            return Caption(", ".join(cast("list[str]", value)))
    return None


def _decode(content: bytes) -> tuple[str, str]:
    """Text of any usual encoding, and a note where it is not Unicode."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace"), ""
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), "is not UTF-8 and is read as Windows-1252"


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to captions. keep: tags at the start that stay. drop_tags, drop: shares of tags and of captions."""

    shuffle: bool = False
    keep: int = 0
    drop_tags: float = 0.0
    drop: float = 0.0

    @property
    def varied(self) -> bool:
        """Whether a picture's caption takes many forms."""
        return self.shuffle or self.drop_tags > 0

    def apply(self, caption: str, number: int) -> str:
        """The caption of one pass. number: the seed of this pass and picture."""
        if not (self.varied or self.drop):
            return caption
        chance = random.Random(number)
        if chance.random() < self.drop:
            return ""
        if not self.varied:
            return caption
        tags = [tag.strip() for tag in caption.split(",") if tag.strip()]
        first, rest = tags[: self.keep], tags[self.keep :]
        if self.shuffle:
            chance.shuffle(rest)
        return ", ".join([*first, *(tag for tag in rest if chance.random() >= self.drop_tags)])
