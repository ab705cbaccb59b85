"""Merges that are killed or run out of disk: what stood there stays, at most one orphan, which the next run sweeps."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.checkpoint_models import apply_node, save, save_folder, tiny
from tests.support.command_line import DEV

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
CHILD = """
import json, os, resource, signal, sys
sys.path[:0] = [sys.argv[1]]
import underdrawing
merge = underdrawing.merge
node, out, orders = json.loads(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
folder = os.path.dirname(out)
merge(node, folder + "-warm" + os.path.splitext(out)[1])  # what is imported now is there in every child

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

def stands():
    if os.path.isfile(out):
        with open(out, "rb") as stream:
            return stream.read() == b"old"
    return not os.path.exists(out)

found = []
for kind, number in orders:
    pid = os.fork()
    if not pid:
        try:
            run(kind, number)
        finally:
            os._exit(9)
    status = os.waitpid(pid, 0)[1]
    found.append([kind, number, status, stands(), len([n for n in os.listdir(folder) if n.endswith(".part")])])
    if status == 0 and os.path.isdir(out):
        import shutil
        shutil.rmtree(out)
print(json.dumps(found))
"""


def make_inputs(folder: Path, form: str) -> list[Path]:
    if form == "folder":
        return [save_folder(folder / f"in{seed}", seed) for seed in range(2)]
    return [save(folder / f"{seed}.safetensors", tiny(seed)) for seed in range(2)]


class Found(NamedTuple):
    """rows: kind, number, status of the child, whether the old output stands, orphans. said: by the children."""

    rows: list[list[Any]]
    said: str
    inputs: list[Path]
    out: Path


@pytest.fixture(scope="module", params=["file", "folder"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("merge")
    inputs, out = make_inputs(folder, request.param), folder / "results" / "o"
    out.parent.mkdir()
    if request.param == "file":
        out = out.with_suffix(".safetensors")
        out.write_bytes(b"old")
    size = max(one.stat().st_size for one in folder.rglob("*.safetensors"))
    last = 20 if request.param == "folder" else len(tiny())
    orders = [("kill", number) for number in random.Random(0).sample(range(1, last + 2), 20)]
    orders += [("fill", round(size * share)) for share in (0, 0.01, 0.5, 0.99)]
    arguments = [str(DEV), json.dumps(apply_node("weighted_sum", *inputs)), str(out), json.dumps(orders)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "UNDERDRAWING_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Found(json.loads(done.stdout), done.stderr, inputs, out)


def test_the_old_output_stands_with_at_most_one_orphan(results: Found) -> None:
    killed = [row for row in results.rows if row[0] == "kill" and os.WIFSIGNALED(row[2])]
    assert len(killed) > 10
    for kind, number, status, old, orphans in results.rows:
        assert old or status == 0, (kind, number)
        assert orphans <= 1, (kind, number)
        if kind == "fill":
            assert os.WEXITSTATUS(status) == 3, number
            assert orphans == 0
    assert results.said.count("the disk is full") == 4
    assert ".part" not in results.said


def test_the_next_run_sweeps_and_writes(results: Found) -> None:
    from underdrawing.checkpoints.merging import merge

    out = results.out
    (out.parent / f".ud-{out.name}.part").write_bytes(b"somebody else's")
    merge(apply_node("weighted_sum", *results.inputs), out)
    assert sorted(path.name for path in out.parent.iterdir()) == [f".ud-{out.name}.part", out.name]


def test_a_folder_that_holds_something_stays_and_inputs_do_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.checkpoints import merging
    from underdrawing.core.errors import BadParameter, UnderdrawingError, WriteFailed

    inputs = make_inputs(tmp_path, "folder")
    old, link, file = tmp_path / "old", tmp_path / "link", tmp_path / "plain"
    old.mkdir()
    (old / "notes.txt").write_bytes(b"old")
    link.symlink_to(inputs[0], target_is_directory=True)
    file.write_bytes(b"old")
    monkeypatch.setattr(merging, "hash_files", lambda *_: pytest.fail("inputs are read before the output is checked"))  # type: ignore[reportUnknownLambdaType]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    faults: list[tuple[Path, type[UnderdrawingError], str]] = [
        (old, WriteFailed, "there already"),
        (file, WriteFailed, "there already"),
        (inputs[0], BadParameter, "one of the inputs"),
        (inputs[1] / "transformer", BadParameter, "one of the inputs"),
        (link, BadParameter, "one of the inputs"),
    ]
    for out, kind, match in faults:
        with pytest.raises(kind, match=match):
            merging.merge(apply_node("weighted_sum", *inputs), out)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def cut(path: Path) -> None:
    os.truncate(path, 5000)


def test_an_input_that_vanishes_or_is_cut_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.checkpoints.merging import merge
    from underdrawing.core.errors import BadWeights

    monkeypatch.setenv("UNDERDRAWING_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "o.safetensors"
    out.write_bytes(b"old")
    for spoil, form in itertools.product((Path.unlink, cut), ("file", "folder")):
        inputs = make_inputs(tmp_path, form)
        victim = inputs[1] if form == "file" else next(inputs[1].glob("vae/*.safetensors"))

        def step(done: int, total: int, spoil: Any = spoil, file: Path = victim) -> None:
            if done and file.exists():
                spoil(file)

        target = out if form == "file" else tmp_path / "made"
        with pytest.raises(BadWeights, match=r"(changed|ended) while it was read"):
            merge(apply_node("weighted_sum", *inputs), target, step)
        assert out.read_bytes() == b"old"
        assert not (tmp_path / "made").exists()
        assert not list(tmp_path.glob("*.part"))
