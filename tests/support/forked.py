"""Cases that each need a process of their own, under limits: the imports are paid once, and every case is a fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DEV = Path(__file__).resolve().parents[2] / ".dev"
SERVER = """
import json, os, sys, traceback
exec(sys.argv[1])
for line in sys.stdin:
    words, report = json.loads(line)
    number = os.fork()
    if not number:
        stream, code = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1
        os.dup2(stream, 1), os.dup2(stream, 2)
        try:
            case(*words)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    print(os.waitpid(number, 0)[1], flush=True)
"""
LIMIT_MEMORY = """
import resource
def limit_memory(more):
    lines = open("/proc/self/status").read().splitlines()
    size = next(int(line.split()[1]) for line in lines if "VmSize" in line)
    resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + more,) * 2)
"""
"""The function limit_memory for cases: so many more bytes of address space than the imports took."""
needs_limits = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the memory limit is set by means of Linux"
)


@contextmanager
def start_cases(code: str, folder: Path) -> Generator[Callable[..., str], None, None]:
    """Start a child that imports and then waits; the result runs its function `case` in a fork and gives the output.

    code: imports, and the definition of `case`, which takes texts and prints. folder: for reports.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, dedent(code)],
        env=os.environ | {"PYTHONPATH": str(DEV), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    questions, answers = child.stdin, child.stdout

    def run(*words: object) -> str:
        questions.write(json.dumps([list(map(str, words)), str(folder / "report")]) + "\n")
        questions.flush()
        status, report = answers.readline(), (folder / "report").read_text("utf-8")
        assert status == "0\n", f"status {status}: {report[-2000:]}"
        return report

    try:
        yield run
    finally:
        questions.close()
        child.wait()
        answers.close()
