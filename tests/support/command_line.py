"""What the tests of the command line share: runners in this process and in a child, and small pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

DEV = Path(__file__).resolve().parents[2] / ".dev"
CHILD = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children inherit that it is ignored
sys.argv[0] = "underdrawing"
name, event, subject, count = os.environ.get("TEST_SIGNAL", "0   1").split(" ")
left = int(count)
def watch(current, arguments):
    global left
    if current == event and subject in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), int(name))
if event:
    sys.addaudithook(watch)
from underdrawing.cli import main
main()
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]


def signal_at(number: int, event: str, subject: str = "", count: int = 1) -> dict[str, str]:
    """Environment in which a child sends itself a signal, whatever the machine is busy with.

    It does so when the audit event comes for the count-th time with a first argument that contains subject.
    """
    return {"TEST_SIGNAL": f"{int(number)} {event} {subject} {count}"}


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine, and a cache of the test's own."""
    for name in list(os.environ):
        if name.startswith(("UNDERDRAWING_", "HF_", "AUX_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UNDERDRAWING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process."""
    from underdrawing.cli import main

    def call(*args: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["underdrawing", *map(str, args)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return Done(int(stopped.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def start() -> Start:
    """Start the command line in a child process."""

    def call(*args: object, cwd: Path | None = None, **environ: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(DEV), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, *map(str, args)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return call


def picture(path: Path, width: int = 48, height: int = 40, seed: int = 0, **settings: Any) -> Path:
    """Write a picture with edges and return its path."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    pixels = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)
    return path


def entries(folder: Path) -> list[dict[str, Any]]:
    """Lines of a manifest."""
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").split("\n") if line]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
