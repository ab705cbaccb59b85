"""Hostile pickles: all refused, nothing executed, no unpickler woken; judged in a child process by an audit hook."""

from __future__ import annotations

import ast
import json
import os
import random
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.hostile import CANARY, corpus, saved

from underdrawing.core.tensor_files import torch_files

ROOT = Path(__file__).resolve().parents[2]

CHILD = """
    import encodings.cp437  # the zipfile module wants it for plain names
    import json, sys
    from pathlib import Path
    from underdrawing.core.tensor_files.torch_files import read_checkpoint
    folder = Path(sys.argv[1])
    read_checkpoint(folder / "good")
    events = []
    WATCHED = {"pickle.find_class", "exec", "compile", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn",
               "import", "socket.connect", "socket.getaddrinfo", "marshal.loads", "ctypes.dlopen"}
    def hook(event, arguments):
        if event in WATCHED:
            events.append(event)
        if event == "open" and arguments[1] not in (None, "r", "rb"):
            events.append(f"open {arguments[1]}")
    sys.addaudithook(hook)
    report = {}
    for path in sorted(folder.iterdir()):
        events.clear()
        try:
            read_checkpoint(path)
            outcome = "read"
        except Exception as error:
            outcome, says = type(error).__name__, str(error)
        report[path.name] = [outcome, says[:400] if outcome != "read" else "", list(events)]
    # not ru_maxrss: a child starts with its parent's peak
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"files": report, "peak": peak}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_every_hostile_file_is_refused_and_nothing_happens(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    files = corpus()
    for word, data in files.items():
        (folder / word).write_bytes(data)
    (folder / "good").write_bytes(saved({"a": 1}))
    surroundings = os.environ | {"PYTHONPATH": str(ROOT / ".dev")}
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(folder)]
    done = subprocess.run(
        command, env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=600
    )
    result = json.loads(done.stdout)
    report = result["files"]
    assert report.pop("good") == ["read", "", []]
    assert set(report) == set(files)
    assert {
        word: outcome for word, (outcome, _, _) in report.items() if outcome not in ("UnsafeFile", "BadWeights")
    } == {}
    assert {word: events for word, (_, _, events) in report.items() if events} == {}
    assert not (tmp_path / CANARY).exists()
    assert result["peak"] < 1_500_000  # KiB, torch included
    for word in ("out_of_bounds", "out_of_bounds_offset", "out_of_bounds_stride", "overflow"):
        assert "reaches element" in report[f"{word}-zip"][1]
    for word in ("system", "nested", "beside"):
        outcome, says, _ = report[f"{word}-saved"]
        assert outcome == "UnsafeFile"
        assert "posix.system" in says or "nt.system" in says
        assert "nothing was executed" in says


@pytest.mark.parametrize("new", [True, False])
def test_damaged_files_never_raise_anything_else(tmp_path: Path, new: bool) -> None:
    import torch

    from underdrawing.core.errors import BadWeights, UnsafeFile
    from underdrawing.core.tensor_files.torch_files import read_checkpoint

    chance = random.Random(5)
    good = saved(
        {"a": torch.arange(6.0).reshape(2, 3).t(), "b": [1, "x", (2.5, None)], "c": torch.nn.Parameter(torch.ones(2))},
        new=new,
    )
    path = tmp_path / "x.pt"
    for _ in range(400):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        with suppress(BadWeights, UnsafeFile):
            read_checkpoint(path)


def test_every_refusal_of_a_file_says_what_to_do() -> None:
    silent: list[str] = []
    for path in sorted((Path(torch_files.__file__).parent).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("BadWeights", "UnsafeFile")
            ):
                silent += [] if any(word.arg == "fix" for word in node.keywords) else [f"{path.name}:{node.lineno}"]
    assert not silent
