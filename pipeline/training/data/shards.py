"""Webdataset shards: pictures and captions with the same name in a plain .tar file."""

from __future__ import annotations

import tarfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from ....core.batch.inputs import SUFFIXES
from ....core.errors import BadImage
from ....core.regular_files import open_regular_file

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 512 << 20
"""Of a member: no picture is so large."""


class Member(NamedTuple):
    """A file in a shard. name: with the shard's in front. read: its bytes."""

    name: str
    read: Callable[[], bytes]


class Shard(NamedTuple):
    """Members by name without ending, then by ending in lower case; what was left out, and why; the reason why the
    shard ends early, or empty."""

    entries: dict[str, dict[str, Member]]
    left_out: list[tuple[str, str]]
    fault: str


def read_shard(path: Path, label: str) -> Shard:
    """List what a shard holds. label: name of the shard in messages. Never raises for what is in it."""
    shard = Shard({}, [], "")
    try:
        with open_regular_file(path) as stream, tarfile.TarFile(fileobj=stream) as archive:
            for member in archive:
                _add(shard, path, label, member)
    except (OSError, tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        return shard._replace(fault=f"cannot be read to its end ({error}); it must be a plain tar file")
    return shard


def _add(shard: Shard, path: Path, label: str, member: tarfile.TarInfo) -> None:
    if member.isdir():
        return
    name = f"{label}/{member.name}"
    inner = PurePosixPath(member.name)
    stem, dot, ending = inner.name.partition(".")
    if inner.is_absolute() or ".." in inner.parts:
        shard.left_out.append((name, "has a name that leads out of the shard"))
    elif not member.isreg() or member.issparse():
        shard.left_out.append((name, "is a link or special file in a shard"))
    elif member.size > MOST_BYTES:
        shard.left_out.append((name, f"is {member.size} bytes long"))
    elif dot and stem:
        key = str(inner.parent / stem)
        read = partial(_read, path, member.offset_data, member.size, name)
        entry, form = shard.entries.setdefault(key, {}), f".{ending.lower()}"
        if form in entry:
            shard.left_out.append((entry[form].name, "is in the shard more than once: the last one is used"))
        entry[form] = Member(name, read)


def _read(path: Path, offset: int, size: int, name: str) -> bytes:
    try:
        with open_regular_file(path) as stream:
            stream.seek(offset)
            content = stream.read(size)
    except OSError as error:
        raise BadImage(f"cannot be read ({error.strerror or error})", where=name) from error
    if len(content) < size:
        raise BadImage("the shard ends within this file", where=name, fix="make or copy the shard again")
    return content


def find_picture(entry: dict[str, Member]) -> Member | None:
    """The picture among the files of one name."""
    return next((member for ending, member in entry.items() if ending in SUFFIXES), None)


def find_others(entry: dict[str, Member]) -> list[Member]:
    """Pictures of that name besides the one that is used."""
    return [member for ending, member in entry.items() if ending in SUFFIXES][1:]


def find_mask(entry: dict[str, Member]) -> Member | None:
    """Its mask: NAME.mask.png."""
    masks = (member for ending, member in entry.items() if ending.startswith(".mask."))
    return next((member for member in masks if PurePosixPath(member.name).suffix.lower() in SUFFIXES), None)
