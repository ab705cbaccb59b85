"""Reads ``.pth``, ``.pt``, ``.ckpt`` and ``.bin`` files as what they should be: tensors in plain containers.

No unpickler of Python or torch is involved: `pickle_interpreter` interprets the instructions, `pickle_allowlist`
knows the few names allowed, and the file is opened and parsed once. Both forms torch has written are read: the zip
archive (since 1.6) and the chain of pickles before it.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import BadWeights, UnsafeFile
from ..files import hash_stream
from ..regular_files import open_regular_file
from .budget import ANOTHER
from .content import describe_other_kind
from .garbage import pause_collection
from .pickle_allowlist import PLAIN
from .pickle_machine import NOTHING_RAN, describe_value
from .streams import FETCH_AGAIN
from .torch_archive import ZipCheckpoint
from .torch_legacy import LegacyCheckpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .budget import Budget

MAX_DEPTH = 100
OTHER_FILE = "check that this is the file of weights that is meant"
PICKLED = frozenset({".pt", ".pth", ".ckpt", ".bin"})
"""Endings of files that torch pickled."""
WRAPPERS = ("state_dict",)
"""Keys under which trainers put the table of tensors."""
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    ValueError,
    OverflowError,
    RuntimeError,
)
"""What the zipfile module raises for damaged archives."""


def read_checkpoint(path: str | os.PathLike[str], *, sha256: str = "", mapped: bool = False) -> Any:
    """Content of a pickled checkpoint: plain containers, numbers, texts and CPU tensors (storages stay shared).

    sha256: refuse the file unless its bytes hash to this; hashed and parsed through the same open file. mapped: tensors
    of a zip archive are views of the memory-mapped file, which must stay as it is as long as they are used.
    Parameters come back as plain tensors, torch.Size as tuple, ParameterDict as dict, ParameterList as list, numpy
    arrays as tensors. Raises UnsafeFile when the file asks for anything else, BadWeights when it is damaged.
    """
    where = str(path)
    try:
        with open_regular_file(path) as stream:
            if sha256 and (found := hash_stream(stream)) != sha256:
                raise BadWeights(f"has the sha256 {found}, its record says {sha256}", where=where, fix=FETCH_AGAIN)
            value = _read(stream, where, mapped=mapped)
    except (MemoryError, RecursionError) as error:
        size = Path(path).stat().st_size
        raise BadWeights(
            f"needs more memory than there is ({size} bytes of file)", where=where, fix="close other programs"
        ) from error
    except (*_ZIP_FAULTS, OSError, EOFError) as error:
        raise BadWeights(f"cannot be read ({error})", where=where, fix=FETCH_AGAIN) from error
    return value


def find_state_dict(value: Any, *, unwrap: Sequence[str] = (), strip: str = "", where: str = "") -> dict[str, Any]:
    """Table of a checkpoint: steps into the first of the wrappers it holds, again and again, then drops a prefix.

    unwrap: keys whose value is the real table, such as "state_dict". strip: prefix to take off the keys that have it,
    such as "module.". Raises BadWeights when the content is not a table of named values.
    """
    while inner := next(
        (value[key] for key in unwrap if isinstance(value, dict) and isinstance(value.get(key), dict)), None
    ):  # type: ignore[misc]
        value = inner
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):  # type: ignore[misc]
        what = f"holds a {type(value).__name__} where a table of named tensors is needed"
        raise BadWeights(what, where=where, fix=OTHER_FILE)
    table: dict[str, Any] = {key.removeprefix(strip): entry for key, entry in value.items()}  # type: ignore[misc]
    if len(table) != len(value):  # type: ignore[arg-type]
        raise BadWeights(f"holds keys that are the same without {strip!r}", where=where, fix=OTHER_FILE)
    return table


def _read(stream: BinaryIO, where: str, *, mapped: bool) -> Any:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(512)
    stream.seek(0)
    if head[257:262] == b"ustar":
        raise UnsafeFile(
            "is a tar archive, the form torch wrote before 0.2", where=where, fix="save it again with a newer torch"
        )
    if head[:4] == b"PK\x03\x04":
        return _judge_and_read(ZipCheckpoint(stream, size, where, mapped=mapped), where)
    fault = describe_other_kind(head) or ("is a safetensors file under another name" if head[8:10] == b'{"' else "")
    if fault:
        raise BadWeights(fault, where=where, fix=FETCH_AGAIN)
    return _judge_and_read(LegacyCheckpoint(stream, size, where), where)


def _judge_and_read(checkpoint: ZipCheckpoint | LegacyCheckpoint, where: str) -> Any:
    """Content, whose bytes are only read when everything else is in order."""
    with pause_collection():
        check_tree(checkpoint.judge(), PLAIN, checkpoint.budget, where)
        return checkpoint.read()


def check_tree(value: Any, leaves: tuple[type, ...], budget: Budget, where: str) -> None:
    """Make sure data is a finite tree of plain containers and leaves that can be walked.

    Raises BadWeights for cycles, more than MAX_DEPTH levels, or more values than the budget's whole once sharing is
    unfolded (a text counts as its length in units), and UnsafeFile for any other object.
    """
    sizes: dict[int, int] = {}
    path: list[tuple[Any, list[Any]]] = []
    open_: set[int] = set()

    def enter(item: Any) -> None:
        if len(path) >= MAX_DEPTH or id(item) in open_:
            what = f"holds data nested more than {MAX_DEPTH} levels deep, or in itself"
            raise BadWeights(what, where=where, fix=ANOTHER)
        path.append((item, _list_children(item, budget)))
        open_.add(id(item))
        sizes[id(item)] = 1

    enter([value])
    while path:
        item, rest = path[-1]
        if not rest:
            path.pop()
            open_.discard(id(item))
            if path:
                sizes[id(path[-1][0])] += sizes[id(item)]
            continue
        child = rest.pop()
        if not isinstance(child, (list, tuple, dict, set, frozenset)):
            if not isinstance(child, leaves):
                raise UnsafeFile(f"leaves a {describe_value(child)} in its data", where=where, fix=NOTHING_RAN)
            sizes[id(item)] += 1 + (len(child) >> 7 if isinstance(child, (str, bytes, bytearray)) else 0)
        elif id(child) in sizes and id(child) not in open_:
            sizes[id(item)] += sizes[id(child)]
        else:
            enter(child)
        if sizes[id(item)] > budget.total:
            raise BadWeights(f"unfolds to more than {budget.total} values", where=where, fix=ANOTHER)


def _list_children(item: Any, budget: Budget) -> list[Any]:
    budget.spend((2 if isinstance(item, dict) else 1) * len(item))
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]  # type: ignore[misc]
    return list(item)
