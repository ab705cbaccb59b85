"""No checkpoint costs much more than its size: every bomb is refused by what it may spend, within limits of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from tests.support import pickle_bombs
from tests.support.hostile import zipped

from underdrawing.core.errors import BadWeights, UnsafeFile
from underdrawing.core.tensor_files import torch_files
from underdrawing.core.tensor_files.budget import MAX_UNITS, Budget
from underdrawing.core.tensor_files.torch_archive import ZipCheckpoint
from underdrawing.core.tensor_files.torch_files import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
READ = {"numbers", "wide_texts"}
"""Bombs that turn out to be cheap enough to be read."""

CHILD = """
    import json, resource, sys
    from pathlib import Path
    from underdrawing.core.tensor_files import budget
    from underdrawing.core.tensor_files.torch_files import read_checkpoint
    budget.MAX_UNITS //= 3
    folder = Path(sys.argv[1])
    read_checkpoint(folder / "good")
    size = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmSize" in line)
    resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + 171 * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
    report = {}
    for path in sorted(folder.iterdir()):
        try:
            read_checkpoint(path)
            report[path.name] = ["read", ""]
        except BaseException as error:
            report[path.name] = [type(error).__name__, str(error)]
    print(json.dumps(report))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory limit is set by means of Linux")
def test_every_bomb_is_refused_within_its_budget(tmp_path: Path) -> None:
    """Steps and memory are a third of those of real life: 512 MiB."""
    bombs = pickle_bombs.corpus()
    for word, data in bombs.items():
        (tmp_path / word).write_bytes(data)
    (tmp_path / "good").write_bytes(zipped(b"]."))
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT / ".dev"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report.pop("good") == ["read", ""]
    assert {word for word, (outcome, _) in report.items() if outcome == "read"} == READ
    assert {outcome for word, (outcome, _) in report.items() if word not in READ} == {"BadWeights", "UnsafeFile"}
    assert not [word for word, (_, says) in report.items() if "memory" in says]


@pytest.mark.parametrize("word", sorted(pickle_bombs.steps().keys() - {"digits", "repeated_tensors"}))
def test_a_unit_of_the_budget_is_a_bounded_number_of_calls(tmp_path: Path, word: str) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(zipped(pickle_bombs.steps()[word]()[:40_000] + b".", {"0": bytes(16)}))
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    with path.open("rb") as stream:
        checkpoint = ZipCheckpoint(stream, path.stat().st_size, "x.pt")
        sys.setprofile(count)
        try:
            with pytest.raises((BadWeights, UnsafeFile)):
                torch_files.check_tree(checkpoint.judge(), (int,), checkpoint.budget, "x.pt")
        finally:
            sys.setprofile(None)
    assert calls < 8 * checkpoint.budget.spent + 1000


def test_an_honest_checkpoint_spends_little(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"state_dict": {f"layers.{n}.weight": torch.ones(2, 3) for n in range(3000)}}, path)
    with path.open("rb") as stream:
        checkpoint = ZipCheckpoint(stream, path.stat().st_size, "x.pt")
        torch_files.check_tree(checkpoint.judge(), torch_files.PLAIN, checkpoint.budget, "x.pt")
    assert checkpoint.budget.spent < 110 * 3000
    assert checkpoint.budget.spent < path.stat().st_size / 2
    assert len(read_checkpoint(path)["state_dict"]) == 3000


def test_a_budget_grows_with_the_file_up_to_a_limit() -> None:
    assert Budget(0, "x").total == 65_536
    assert Budget(10_000, "x").total == 65_536 + 40_000
    assert Budget(2**40, "x").total == MAX_UNITS


def test_tensors_are_only_read_when_the_rest_is_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(1000), "b": torch.nn.Linear}, path)
    opened: list[str] = []
    read = ZipCheckpoint._read_member  # pyright: ignore[reportPrivateUsage]

    def note(self: ZipCheckpoint, name: str, limit: int) -> bytearray:
        opened.append(name)
        return read(self, name, limit)

    monkeypatch.setattr(ZipCheckpoint, "_read_member", note)
    with pytest.raises(UnsafeFile, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(path)
    assert "data.pkl" in opened
    assert not any(name.startswith("data/") for name in opened)


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_lack_of_memory_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(ZipCheckpoint, "judge", fail)
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(BadWeights, match="needs more memory than there is"):
        read_checkpoint(tmp_path / "x.pt")
