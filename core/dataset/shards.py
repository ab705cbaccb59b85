"""From what a user names to shards: folders in slices of sorted names, tars, parquet files, lance fragments."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..batch.globs import MAGIC, expand_glob, find_base
from ..batch.inputs import SUFFIXES
from ..batch.walk import walk_folder
from ..errors import BadParameter
from ..regular_files import open_regular_file
from ..report_text import count
from .packages import load_package
from .remote import is_url, list_files
from .rows import Shard
from .sources.lance import describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .options import Kind

ENDINGS: dict[str, Kind] = {
    ".tar": "webdataset",
    ".tar.gz": "webdataset",
    ".tgz": "webdataset",
    ".parquet": "parquet",
    ".lance": "lance",
}
"""Ending of an input → how its rows are stored."""
SIZE = 1000
"""Pictures of a folder in one shard."""
_ENDS = 1 << 16


def list_shards(source: str, *, size: int = SIZE) -> list[Shard]:
    """Shards of a folder, a glob, or a tar, parquet or lance file, in a stable order.

    A folder that holds tars, parquet files or lance data sets stands for these; else its pictures, also in folders
    below, are cut into shards of this size by their sorted names. Raises BadParameter.
    """
    if is_url(source):
        return _list_url(source, size)
    path = Path(source)
    if MAGIC.search(source) and not path.exists():
        return _list_glob(source, size)
    if _is_stored(path):
        return _list_fragments(source) if _find_kind(path) == "lance" else _name_files([path])
    if not path.is_dir():
        what = "is no folder, tar, parquet or lance" if path.exists() else "does not exist"
        raise BadParameter(f"this data set {what}", where=source, fix="name a folder, a glob, or such a file")
    stored = _find_stored(path)
    return _name_files(stored) if stored else _cut_folder(path, _find_pictures(path), size, source)


def _find_stored(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if _find_kind(one) is not None and not one.name.startswith("."))


def describe_passed(source: str) -> tuple[str, ...]:
    """Note on pictures beside the shards of a folder, which are not read."""
    path = Path(source)
    if is_url(source) or not path.is_dir() or _is_stored(path) or not _find_stored(path):
        return ()
    pictures = count(sum(one.suffix.lower() in SUFFIXES for one in path.iterdir() if one.is_file()), "picture")
    return () if pictures.startswith("0 ") else (f"{pictures} beside the shards of {source} passed over",)


def _list_url(source: str, size: int) -> list[Shard]:
    if source.rstrip("/").lower().endswith(".lance"):
        return _list_fragments(source.rstrip("/"))
    files = list_files(source)
    stored = {url: stamp for url, stamp in files.items() if _find_kind(Path(url)) not in (None, "lance")}
    if stored:
        names = _choose_names([Path(url) for url in stored])
        return [_describe_url(name, *found) for name, found in zip(names, stored.items(), strict=True)]
    urls = [url for url in files if Path(url).suffix.lower() in SUFFIXES]
    base = _find_common_folder(urls)
    stamps = {url[len(base) + 1 :]: files[url] for url in urls}
    shards = _cut_folder(base, list(stamps), size, source)
    return [msgspec.structs.replace(shard, stamps=tuple(stamps[name] for name in shard.names)) for shard in shards]


def _find_common_folder(urls: Sequence[str]) -> str:
    """Longest start that ends before a slash, in front of the names of all files."""
    folders = [url.rpartition("/")[0].split("/") for url in urls]
    same = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    return "/".join(parts[0] for parts in same)


def _describe_url(name: str, url: str, stamp: str) -> Shard:
    return Shard(name=name, path=url, kind=_find_kind(Path(url)) or "folder", digest=_hash(f"{url} {stamp}"))


def _list_fragments(place: str) -> list[Shard]:
    """Shards of a lance data set: its fragments."""
    lance = load_package("lance", "lance data sets")
    try:
        fragments = lance.dataset(place).get_fragments()
    except (OSError, ValueError) as error:
        what = f"is no lance data set that can be read ({describe_error(error)})"
        raise BadParameter(what, where=place, fix="check the name") from error
    stem = _strip_ending(place.rpartition("/")[2])
    return [
        Shard(
            name=f"{stem}-{one.fragment_id:05}",
            path=place,
            kind="lance",
            start=one.fragment_id,
            stop=one.fragment_id + 1,
            digest=_hash(f"lance {one.fragment_id} {one.count_rows()}"),
        )
        for one in fragments
    ]


def _list_glob(pattern: str, size: int) -> list[Shard]:
    base = find_base(pattern)
    found = expand_glob(pattern).files
    lances = [path for path in base.glob("*.lance") if path.match(pattern)] if pattern.endswith(".lance") else []
    stored = [path for path in [*found, *lances] if _find_kind(path) is not None]
    if stored:
        return _name_files(sorted(stored))
    pictures = [path.relative_to(base).as_posix() for path in found if path.suffix.lower() in SUFFIXES]
    return _cut_folder(base, pictures, size, pattern)


def _find_kind(path: Path) -> Kind | None:
    return next((kind for ending, kind in ENDINGS.items() if path.name.lower().endswith(ending)), None)


def _is_stored(path: Path) -> bool:
    kind = _find_kind(path)
    return kind is not None and (path.exists() if kind == "lance" else path.is_file())


def _find_pictures(folder: Path) -> list[str]:
    files = walk_folder(folder, recursive=True).files
    return [file.relative_to(folder).as_posix() for file in files if file.suffix.lower() in SUFFIXES]


def _cut_folder(folder: Path | str, names: Sequence[str], size: int, source: str) -> list[Shard]:
    if not names:
        fix = "check the name; shards in folders below are named by a quoted glob, as 'FOLDER/**/*.tar'"
        raise BadParameter("no pictures and no shards are there", where=source, fix=fix)
    names, slices = sorted(names), range(0, len(names), size)
    keys = _choose_keys(names)
    return [
        Shard(
            name=f"{number:05}",
            path=str(folder),
            kind="folder",
            start=start,
            stop=min(start + size, len(names)),
            names=tuple(names[start : start + size]),
            keys=tuple(keys[start : start + size]),
            digest=_hash("\0".join(names[start : start + size])),
        )
        for number, start in enumerate(slices)
    ]


def _choose_keys(names: Sequence[str]) -> list[str]:
    """Names without endings; with them where several files would share one key."""
    stems = [os.path.splitext(name)[0] for name in names]  # noqa: PTH122 - of a text, with its folders
    times = Counter(stem.lower() for stem in stems)
    return [stem if times[stem.lower()] == 1 else name for stem, name in zip(stems, names, strict=True)]


def _name_files(paths: Sequence[Path]) -> list[Shard]:
    """One shard for each file, named as the file is; the folder is part of the name where names repeat."""
    files = [path for path in paths if _find_kind(path) != "lance"]
    shards = [_describe_file(path, name) for path, name in zip(files, _choose_names(files), strict=True)]
    return [*shards, *(shard for path in paths if _find_kind(path) == "lance" for shard in _try_fragments(path))]


def _try_fragments(path: Path) -> list[Shard]:
    """Fragments of one of several data sets; one that cannot be read is a shard that is refused when its turn comes."""
    try:
        return _list_fragments(str(path))
    except BadParameter as error:
        digest = _hash(f"lance {error.what}")
        return [Shard(name=_strip_ending(path.name), path=str(path), kind="lance", start=-1, digest=digest)]


def _choose_names(paths: Sequence[Path]) -> list[str]:
    names = [_strip_ending(path.name) for path in paths]
    if len(set(map(str.lower, names))) < len(names):
        base = Path(os.path.commonpath([path.parent for path in paths]))
        names = [_strip_ending(path.relative_to(base).as_posix().replace("/", "__")) for path in paths]
    if len(set(map(str.lower, names))) < len(names):
        twice = next(name for name, times in Counter(map(str.lower, names)).items() if times > 1)
        raise BadParameter(f"several inputs would give the shard {twice}", fix="annotate them into two folders")
    return names


def _describe_file(path: Path, name: str) -> Shard:
    kind = _find_kind(path)
    if kind is None:
        raise BadParameter("is no tar, parquet or lance", where=str(path))
    try:
        sample = _sample(path)
    except OSError as error:  # told of its shard, when its turn comes
        sample = f"unreadable: {error.strerror}"
    return Shard(name=name, path=str(path), kind=kind, digest=_hash(f"{kind} {sample}"))


def _sample(path: Path) -> str:
    """Size and hash of both ends of a file: another file of the name differs there, a copy does not."""
    with open_regular_file(path) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        ends = stream.read(_ENDS)
        stream.seek(max(0, size - _ENDS))
        return f"{size} {hashlib.sha256(ends + stream.read(_ENDS)).hexdigest()}"


def _strip_ending(name: str) -> str:
    ending = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.lower().endswith(ending))
    return name[: -len(ending)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
