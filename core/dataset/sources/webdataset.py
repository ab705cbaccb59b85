"""Samples of webdataset tars: neighbouring files that share a name up to its first dot."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...batch.inputs import SUFFIXES
from ...errors import BadImage
from ...regular_files import open_regular_file
from ..options import KEY
from ..rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from ..rows import Shard

AGAIN = "download it again, or leave it out"
_BLOCK = 512
_LINK = b"a link in place of a file"
"""Content of links, which point outside or at what has been passed: they are refused, not followed."""
_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def iter_rows(shard: Shard, *, image: str, key: str) -> Iterator[Row]:
    """One row for each sample; fields are its other files, by what follows the key's dot.

    image: endings of the picture's file, in order of preference, with commas; empty: any picture.
    """
    for index, (name, fields) in enumerate(iter_samples(Path(shard.path))):
        yield _build_row(index, name, fields, image, key)


def iter_samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and files of each sample. Raises BadImage where the tar is damaged, after the samples in front of it."""
    current, fields = "", dict[str, bytes]()
    for name, read in _iter_members(path):
        folder, _, base = name.rpartition("/")
        stem, _, ending = base.partition(".")
        sample = f"{folder}/{stem}" if folder else stem
        if sample != current and fields:
            yield current, fields
            fields = {}
        current, fields[ending.lower()] = sample, read()
    if fields:
        yield current, fields


def _iter_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name of every file of a tar, and what reads it. Raises BadImage where the tar is damaged or cut off.

    A file is read after the sample before it was given out, so that damage in it costs no other sample.
    """
    last = ""
    try:
        with closing(open_regular_file(path)) as stream, tarfile.open(fileobj=stream) as tar:
            for member in tar:
                if (member.isfile() or member.issym() or member.islnk()) and not member.name.rpartition("/")[
                    2
                ].startswith("."):
                    yield member.name, partial(_read, tar, member, path)
                    last = member.name
                vars(tar)["members"].clear()  # which would grow with every file
            _check_end(tar, path, last)
    except _DAMAGE as error:
        what = f"the tar is damaged behind {last}" if last else "this is no whole tar"
        what = f"{what} ({_describe(error)})"
        raise BadImage(what, where=str(path), fix=AGAIN) from error


def _describe(error: Exception) -> str:
    """What `tarfile` says, in its first line: others list every compression that it has tried."""
    text = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return (text.splitlines() or [""])[0].rstrip(":")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    if not member.isreg():
        return _LINK
    try:
        content = tar.extractfile(member)
        return b"" if content is None else content.read()
    except _DAMAGE as error:
        raise BadImage(f"the tar is damaged at {member.name} ({error})", where=str(path), fix=AGAIN) from error


def _check_end(tar: tarfile.TarFile, path: Path, last: str) -> None:
    """A whole tar ends with blocks of zeros; `tarfile` takes damage for an end too."""
    stream: BinaryIO | None = getattr(tar, "fileobj", None)
    if stream is not None:
        stream.seek(tar.offset)
        if stream.read(_BLOCK) != bytes(_BLOCK):
            behind = f" behind {last}" if last else ""
            raise BadImage(f"the tar is damaged or cut off{behind}", where=str(path), fix=AGAIN)


def _build_row(index: int, name: str, fields: dict[str, bytes], image: str, key: str) -> Row:
    wanted = [one.strip().lower().lstrip(".") for one in image.replace(";", ",").split(",") if one.strip()]
    found = [one for one in wanted if one in fields] or (
        [] if wanted else [one for one in fields if f".{one.rpartition('.')[2]}" in SUFFIXES]
    )
    own = name if key == KEY else _read_text(fields.get(key))
    others: dict[str, Any] = {one: content for one, content in fields.items() if one not in found[:1]}
    problem = ""
    if not own:
        own, problem = name, f"it has no field {key} that could name it: add it, or leave --key out"
    if not found:
        have = ", ".join(sorted(fields)) or "a name"
        fix = "name the field with --image" if image else "pack a picture, or name its field with --image"
        problem = f"it has no picture ({image or 'any'}), only {have}: {fix}"
    elif fields[found[0]] is _LINK:
        problem = "its picture is a link in the tar: pack the file itself"
    picture = None if problem else fields[found[0]]
    return Row(key=own, index=index, picture=picture, fields=others, problem=problem)


def _read_text(content: bytes | None) -> str:
    return "" if content is None else content.decode("utf-8", "replace").strip()
