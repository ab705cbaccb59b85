"""Free memory, also inside containers and jobs of a cluster, whose limits lie below the machine's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..files import parse_count
from ..regular_files import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator

V1, V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")
"""Files with limit and use of a control group (Linux: cgroups version 1 and 2)."""


def find_free_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process and its children can still use; 0 where that cannot be known.

    root: folder in which ``proc`` and ``sys`` lie.
    """
    lines = [line.split() for line in _read(root / "proc/meminfo").splitlines()]
    found = [int(words[1]) * 1024 for words in lines if words[:1] == ["MemAvailable:"]]
    return min([*found, *_iter_limits(root)], default=0)


def _iter_limits(root: Path) -> Iterator[int]:
    """Free bytes of every control group that this process is in, and of those above."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number == "0" and not controllers:
            base, names = root / "sys/fs/cgroup", V2
        elif "memory" in controllers.split(","):
            base, names = root / "sys/fs/cgroup/memory", V1
        else:
            continue
        own = PurePosixPath(place.lstrip("/"))
        for folder in (own, *own.parents):  # a container sees its own group as the top
            yield from _find_free(base / folder, *names)


def _find_free(group: Path, limit: str, use: str) -> Iterator[int]:
    """What a group leaves free, if it has a limit; pages of files that can be dropped count as free."""
    most, used = parse_count(_read(group / limit).strip()), parse_count(_read(group / use).strip())
    if most is None or used is None:
        return
    lines = (line.split() for line in _read(group / "memory.stat").splitlines())
    cached = next((int(words[1]) for words in lines if words[0] in ("inactive_file", "total_inactive_file")), 0)
    yield max(1, most - max(0, used - cached))


def _read(path: Path) -> str:
    try:
        return read_regular_file(path).decode("ascii", "replace")
    except OSError:
        return ""
