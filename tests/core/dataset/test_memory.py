"""Free memory of machines, containers and jobs of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.core.dataset.memory import find_free_memory

if TYPE_CHECKING:
    from pathlib import Path

MEMINFO = {"proc/meminfo": "MemTotal:       64000 kB\nMemAvailable:   32000 kB\n"}
V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 0),
        (MEMINFO, 32000 * 1024),
        (  # a container sees its own group as the top
            {**MEMINFO, "proc/self/cgroup": "0::/\n", f"{V2}/memory.max": "9000\n", f"{V2}/memory.current": "4000\n"},
            5000,
        ),
        (
            {
                **MEMINFO,
                "proc/self/cgroup": "0::/slice/job.scope\n",
                f"{V2}/slice/memory.max": "5000\n",
                f"{V2}/slice/memory.current": "3000\n",
                f"{V2}/slice/memory.stat": "anon 1000\ninactive_file 500\n",
                f"{V2}/slice/job.scope/memory.max": "max\n",
                f"{V2}/slice/job.scope/memory.current": "10\n",
            },
            2500,
        ),
        (
            {
                **MEMINFO,
                "proc/self/cgroup": "7:cpu,cpuacct:/a\n5:memory:/a\n",
                f"{V1}/a/memory.limit_in_bytes": "7000\n",
                f"{V1}/a/memory.usage_in_bytes": "8000\n",
                f"{V1}/memory.limit_in_bytes": f"{2**63 - 4096}\n",
                f"{V1}/memory.usage_in_bytes": "10\n",
            },
            1,
        ),
    ],
)  # fmt: skip
def test_the_lowest_limit_counts(tmp_path: Path, files: dict[str, str], free: int) -> None:
    assert find_free_memory(write(tmp_path, files)) == free


def test_this_machine_answers() -> None:
    assert find_free_memory() >= 0
