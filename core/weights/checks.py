"""Whether files are the bytes that a record states, before and after they are copied or downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadWeights, FetchFailed, WeightsMissing
from ..files import atomic_stream, hash_file
from ..regular_files import open_regular_file
from .search_paths import has_identity

if TYPE_CHECKING:
    import os

    from .record import Weight


def check_fetchable(weight: Weight) -> None:
    """Raise WeightsMissing or FetchFailed for a file that cannot be downloaded or verified."""
    if not weight.repo:
        raise WeightsMissing(
            "comes with this package but is gone or changed", where=weight.id, fix="install the package again"
        )
    if not has_identity(weight) and not weight.unpinned:
        raise FetchFailed("the record has no hash, so nothing that is fetched could be verified", where=weight.id)


def inspect_file(path: str | os.PathLike[str]) -> tuple[Path, str, int]:
    """File to import, its sha256 and size. Raises BadWeights when it is none or empty."""
    source = Path(path)
    if not source.is_file():
        raise BadWeights("is not a file", where=str(source), fix="check the name")
    if not source.stat().st_size:
        raise BadWeights("is empty", where=str(source), fix="get it again")
    return source, hash_file(source), source.stat().st_size


def has_bytes(record: Weight, digest: str, size: int) -> bool:
    """Whether a record states this hash and size."""
    return has_identity(record) and record.sha256 == digest and record.size in (0, size)


def find_fault(path: Path, weight: Weight) -> str:
    """What is wrong with the file at path, read anew; "absent" when there is none, empty when nothing is."""
    try:
        if not path.is_file():
            return "absent"
        if weight.size and (size := path.stat().st_size) != weight.size:
            return f"has {size} bytes, the record says {weight.size}"
        found = hash_file(path)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "" if found == weight.sha256 else f"has the sha256 {found}, the record says {weight.sha256}"


def copy_file(source: Path, target: Path, record: Weight) -> None:
    """Copy a file that has the record's bytes, unless the target has them. Raises BadWeights, WriteFailed."""
    if find_fault(target, record):
        with open_regular_file(source) as stream, atomic_stream(target, size=record.size) as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        if fault := find_fault(target, record):
            raise BadWeights(f"changed while it was copied: {fault}", where=str(source), fix="import it again")
