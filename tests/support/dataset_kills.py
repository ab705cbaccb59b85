"""Runs of a data set that are killed on the way, by hand: ``python -m tests.support.dataset_kills --engine ray``.

Too slow for the suite, which kills a few times at fixed points. Every second run loses a process of the engine at a
random moment, every other is killed itself; at the end all bytes are compared with those of an undisturbed run.
Linux only; needs ``PYTHONPATH=.dev:.``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.support.datasets import CUT_OFF, encode, read_tree, write_tar
from tests.support.process_tree import list_descendants

RANDOM = "canny.low_threshold=uniform(30,120)"
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


def write_shards(folder: Path, shards: int, rows: int, size: tuple[int, int] = (256, 256)) -> Path:
    """Tars of pictures; the second of each is cut off."""
    folder.mkdir()
    for shard in range(shards):
        numbers = range(shard * rows, (shard + 1) * rows)
        write_tar(
            folder / f"s{shard:02}.tar",
            {f"{n:04}.png": encode(n, size=size) for n in numbers} | {f"{numbers[1]:04}.png": CUT_OFF},
        )
    return folder


def list_command(source: Path, target: Path, engine: str, form: str = "webdataset") -> list[str]:
    """Command of a run with a random parameter, over two workers, which tells every shard."""
    given = {
        "--annotators": "canny,invert",
        "--parameter": RANDOM,
        "--engine": engine,
        "--workers": "2",
        "--format": form,
    }
    start = [
        sys.executable,
        "-m",
        "underdrawing",
        "dataset",
        "annotate",
        str(source),
        "--out",
        str(target),
        "--log-json",
    ]
    return [*start, *(part for pair in given.items() for part in pair)]


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a run, whose events can be read."""
    return subprocess.Popen(command, env=ENV, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def is_python(pid: int) -> bool:
    """Whether a process is a worker of either engine."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
    return "spawn_main" in words or words.startswith("ray::")


def kill_worker(run: subprocess.Popen[str], choose: random.Random) -> None:
    """Kill one of the processes that work for a run, if it has any yet."""
    if workers := [pid for pid in list_descendants(run.pid) if is_python(pid)]:
        with suppress(ProcessLookupError):
            os.kill(choose.choice(workers), signal.SIGKILL)


def list_lost(pids: list[int]) -> list[int]:
    """Processes of a run that outlive it by ten seconds."""
    end = time.monotonic() + 10
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def disturb(command: list[str], seconds: float, choose: random.Random, *, worker: bool) -> tuple[bool, int]:
    """One run that is killed, or loses a worker; whether it was still running, and how many processes it left."""
    run = start(command)
    try:
        run.communicate(timeout=choose.uniform(0.3, seconds))
    except subprocess.TimeoutExpired:
        if worker:
            kill_worker(run, choose)
            run.communicate()
            return True, 0
        below = list_descendants(run.pid)
        run.kill()
        run.wait()
        return True, len(list_lost(below))
    return False, 0


def kill_runs(place: Path, engine: str, form: str, wanted: int, choose: random.Random) -> dict[str, float]:
    """Kill so many runs or workers over several data sets, make each whole, and compare with an undisturbed run."""
    source, began = write_shards(place / "in", 16, 20), time.monotonic()
    run_whole(list_command(source, place / "whole", engine, form))
    seconds, whole = time.monotonic() - began, read_tree(place / "whole")
    kills = left = runs = 0
    while kills < wanted:  # three runs a data set, or there would soon be nothing left to do
        command = list_command(source, place / f"killed{runs // 3}", engine, form)
        did, lost = disturb(command, seconds, choose, worker=bool(runs % 2))
        kills, left, runs = kills + did, left + lost, runs + 1
    targets = [place / f"killed{number}" for number in range((runs + 2) // 3)]
    for target in targets:
        run_whole(list_command(source, target, engine, form))
    equal = sum(read_tree(target) == whole for target in targets)
    return {"kills": kills, "runs": runs, "data sets": len(targets), "equal": equal, "processes left": left}


def run_whole(command: list[str]) -> None:
    """Run to the end. Raises CalledProcessError."""
    subprocess.run(command, env=ENV, check=True, capture_output=True)


def main() -> None:
    """Kill, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--format", default="webdataset")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_runs(Path(folder), given.engine, given.format, given.kills, random.Random(given.seed))
    sys.stdout.write(f"{json.dumps({'engine': given.engine, 'format': given.format, **found})}\n")


if __name__ == "__main__":
    main()
