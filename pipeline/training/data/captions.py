"""Captions: read from files beside a picture, and changed at each step as asked."""

from __future__ import annotations

import json
import random
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    """The caption in a value of JSON; tags in a list are joined by commas, numbers are text, null is no caption."""
    if not isinstance(entry, dict):
        return _read_value(entry) if _is_text(entry) else None
    table = cast("Mapping[str, Any]", entry)
    found = (_read_value(table.get(key)) for key in (*KEYS, "tags"))
    return next((caption for caption in found if caption is not None), None)


def _read_value(value: object) -> Caption | None:
    """Text, a number, or a list of these; None for anything else."""
    if _is_text(value):
        return Caption(" ".join(str(value).split()))
    if isinstance(value, list) and all(map(_is_text, tags := cast("list[object]", value))):
        return Caption(", ".join(map(str, tags)))
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _decode(content: bytes) -> tuple[str, str]:
    """Text of any usual encoding, and a note where it is not Unicode."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace"), ""
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), "is not UTF-8 and is read as Windows-1252"


def list_beside(stem: Path) -> list[Path]:
    """Files that may hold the caption of a picture, which is called stem without its ending."""
    return [stem.with_name(stem.name + ending) for ending in ENDINGS]


def parse_entry(line: str) -> dict[str, Any] | None:
    """The object in a line of JSON; None for anything else."""
    try:
        entry: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", entry) if isinstance(entry, dict) else None


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
