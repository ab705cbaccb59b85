"""Fair timing: all candidates in one process, in turn, round by round, so that a busy machine slows all alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MATRIX = 2048
"""Side of the square matrices that stand for the processor's peak."""


@dataclass
class Timing:
    """Seconds of each round: process CPU time and wall time."""

    cpu: list[float] = field(default_factory=list[float])
    wall: list[float] = field(default_factory=list[float])

    def figure(self, threads: int) -> float:
        """One thread: median CPU time, which other processes disturb least; several: the shortest wall time."""
        return statistics.median(self.cpu) if threads == 1 else min(self.wall)


def interleave(candidates: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = True) -> dict[str, Timing]:
    """Run each candidate once unmeasured, unless that was done already, then all in turn, `rounds` times."""
    for candidate in candidates.values() if warm else ():
        candidate()
    timings = {name: Timing() for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            wall, cpu = time.perf_counter(), time.process_time()
            candidate()
            timings[name].cpu.append(time.process_time() - cpu)
            timings[name].wall.append(time.perf_counter() - wall)
    return timings


def table(title: str, timings: Mapping[str, Timing], threads: int, notes: Mapping[str, str] | None = None) -> None:
    """Print figures and ratios to the first row, as Markdown; notes: what is told of a row besides."""
    kind = "CPU ms (median)" if threads == 1 else "wall ms (min)"
    print(f"\n**{title}**\n\n| | {kind} | ratio | |\n|---|---|---|---|")
    first = next(iter(timings.values())).figure(threads)
    for name, timing in timings.items():
        figure = timing.figure(threads)
        print(f"| {name} | {figure * 1e3:.2f} | {first / figure:.2f} | {(notes or {}).get(name, '')} |", flush=True)


def set_threads(threads: int) -> None:
    """Bound torch and OpenCV."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def all_threads() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def matmul_peak(dtype: torch.dtype, threads: int, rounds: int = 12) -> float:
    """Best matrix product in GFLOP/s with the threads that are set; one thread by CPU time, several by wall time."""
    a, b = (torch.randn(MATRIX, MATRIX).to(dtype) for _ in range(2))
    timing = interleave({"mm": lambda: torch.mm(a, b)}, rounds)["mm"]
    return 2 * MATRIX**3 / min(timing.cpu if threads == 1 else timing.wall) / 1e9


def load() -> str:
    """How busy the machine is, which spoils wall times."""
    if not hasattr(os, "getloadavg"):
        return ""
    busy = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors at the start"
    return f"{busy}; wall times mean something on a quiet machine only"


def processor() -> str:
    """Name, family, units and number of the processors, as the system and torch tell them."""
    facts: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        pairs = (line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in pairs}
    name = facts.get("model name") or platform.processor() or platform.machine()
    family = f" family {facts['cpu family']} model {facts['model']}" if "cpu family" in facts else ""
    probes = {"AMX": "_is_amx_tile_supported", "AVX512-BF16": "_is_avx512_bf16_supported"}
    units = [unit for unit, probe in probes.items() if getattr(torch.cpu, probe, bool)()]
    has = " and ".join(units) or "no bfloat16 unit"
    return f"{name}{family}, {torch.backends.cpu.get_cpu_capability()}, {has}, {all_threads()} threads"
