"""Processes below a process, with what they use; read from /proc (Linux)."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Usage(msgspec.Struct):
    """Of a command with all its processes. wall, cpu: seconds; memory: (seconds, bytes resident) as time goes."""

    wall: float = 0.0
    cpu: float = 0.0
    code: int = 0
    output: str = ""
    memory: list[tuple[float, int]] = []


def list_descendants(pid: int) -> list[int]:
    """Processes below one, without itself."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += [int(child), *list_descendants(int(child))]
    except OSError:  # it has ended
        pass
    return found


def read_cpu(pid: int) -> float:
    """Seconds of CPU that a process has used; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_memory(pid: int) -> int:
    """Bytes of a process that no other shares, and are resident; 0 where it has ended."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def run_and_watch(command: Sequence[str], env: Mapping[str, str] | None = None, interval: float = 0.05) -> Usage:
    """Run a command to its end, looking at its processes all the while; what one uses after the last look is lost."""
    began, used, memory = time.monotonic(), dict[int, float](), list[tuple[float, int]]()
    with subprocess.Popen(
        command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        while True:
            try:
                output, _ = process.communicate(timeout=interval)
                break
            except subprocess.TimeoutExpired:
                tree = [process.pid, *list_descendants(process.pid)]
                used |= {pid: max(used.get(pid, 0.0), read_cpu(pid)) for pid in tree}
                memory.append((time.monotonic() - began, sum(map(read_memory, tree))))
    return Usage(time.monotonic() - began, sum(used.values()), process.returncode, output, memory)
