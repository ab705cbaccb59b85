"""Merges that are killed or run out of disk: what stood there stays, at most one orphan, which the next run sweeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.checkpoint_models import apply_node, save, tiny
from tests.support.command_line import DEV

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
CHILD = """
import json, os, resource, signal, sys
sys.path[:0] = [sys.argv[1]]
import underdrawing
merge = underdrawing.merge
node, out, orders = json.loads(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
folder = os.path.dirname(out)

def run(kind, number):
    steps = 0
    def step(done, total):
        nonlocal steps
        steps += 1
        if kind == "kill" and steps == number:
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fill":
        resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    try:
        merge(node, out, step)
    except underdrawing.WriteFailed as error:
        sys.stderr.write(str(error))
        os._exit(3)
    os._exit(0)

found = []
for kind, number in orders:
    pid = os.fork()
    if not pid:
        try:
            run(kind, number)
        finally:
            os._exit(9)
    status = os.waitpid(pid, 0)[1]
    with open(out, "rb") as stream:
        old = stream.read() == b"old"
    found.append([kind, number, status, old, len([n for n in os.listdir(folder) if n.endswith(".part")])])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[Any]], str, Path]:
    """Kind, number, status of the child, whether the old file stands, orphans; what was said; and the folder."""
    folder = tmp_path_factory.mktemp("merge")
    files = [save(folder / f"{seed}.safetensors", tiny(seed)) for seed in range(2)]
    out = folder / "results" / "o.safetensors"
    out.parent.mkdir()
    out.write_bytes(b"old")
    size = files[0].stat().st_size
    node = apply_node("weighted_sum", *files)
    orders = [("kill", number) for number in range(1, 2 + len(tiny()), 2)]
    orders += [("fill", round(size * share)) for share in (0, 0.01, 0.5, 0.99)]
    arguments = [str(DEV), json.dumps(node), str(out), json.dumps(orders)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "UNDERDRAWING_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr, folder


def test_the_old_file_stands_with_at_most_one_orphan(results: tuple[list[list[Any]], str, Path]) -> None:
    found, said, _ = results
    killed = [row for row in found if row[0] == "kill" and os.WIFSIGNALED(row[2])]
    assert len(killed) > 10
    for kind, number, status, old, orphans in found:
        assert old, (kind, number)
        assert orphans <= 1, (kind, number)
        if kind == "fill":
            assert os.WEXITSTATUS(status) == 3, number
            assert orphans == 0
    assert said.count("the disk is full") == 4


def test_the_next_run_sweeps_and_writes(results: tuple[list[list[Any]], str, Path]) -> None:
    from underdrawing.checkpoints.merging import merge

    folder = results[2]
    out = folder / "results" / "o.safetensors"
    (out.parent / f".ud-{out.name}.part").write_bytes(b"somebody else's")
    merge(apply_node("weighted_sum", folder / "0.safetensors", folder / "1.safetensors"), out)
    assert sorted(path.name for path in out.parent.iterdir()) == [f".ud-{out.name}.part", out.name]


def cut(path: Path) -> None:
    os.truncate(path, 5000)


def test_an_input_that_vanishes_or_is_cut_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.checkpoints.merging import merge
    from underdrawing.core.errors import BadWeights

    monkeypatch.setenv("UNDERDRAWING_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "o.safetensors"
    out.write_bytes(b"old")
    for spoil in (Path.unlink, cut):
        files = [save(tmp_path / f"{seed}.safetensors", tiny(seed)) for seed in range(2)]

        def step(done: int, total: int, spoil: Any = spoil, file: Path = files[1]) -> None:
            if done and file.exists():
                spoil(file)

        with pytest.raises(BadWeights, match=r"(changed|ended) while it was read"):
            merge(apply_node("weighted_sum", *files), out, step)
        assert out.read_bytes() == b"old"
        assert not list(tmp_path.glob("*.part"))
