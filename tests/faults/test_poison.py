"""Every file of the poison corpus is decoded to the specified array or refused with a reason, under limits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import poison

CORPUS = {one.name: one for one in poison.corpus()}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], Path]:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory limit is set by means of Linux")
    folder, results = tmp_path_factory.mktemp("poison"), tmp_path_factory.mktemp("results")
    poison.write(folder)
    dev = next(place / ".dev" for place in Path(__file__).parents if (place / ".dev").exists())
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(dev), os.environ.get("PYTHONPATH", "")]),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        str(Path(__file__).parents[1] / "support" / "poison_child.py"),
        str(folder),
        str(results),
    ]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    lines = [json.loads(line) for line in (results / "report.jsonl").read_text().splitlines()]
    return {line["name"]: line for line in lines}, results


@pytest.mark.parametrize("name", CORPUS)
def test_poison(name: str, outcomes: tuple[dict[str, dict[str, Any]], Path]) -> None:
    one, told, results = CORPUS[name], outcomes[0][name], outcomes[1]
    assert told["seconds"] < 120, "a hang"
    if one.expected is None:
        assert "reason" in told, "it was decoded"
        assert re.search(one.reason, told["reason"]), told["reason"]
        assert name in told["reason"]
        return
    assert "reason" not in told, told["reason"]
    _same(np.load(results / f"{name}.npy"), one.expected, one.tolerance)
    assert one.note in " ".join(told["notes"])
    if one.alpha is not None:
        _same(np.load(results / f"{name}.alpha.npy"), one.alpha, 0)


def _same(got: Any, expected: Any, tolerance: int) -> None:
    assert got.dtype == np.uint8
    assert got.shape == expected.shape
    assert int(np.abs(got.astype(int) - expected.astype(int)).max()) <= tolerance


def test_every_file_was_tried(outcomes: tuple[dict[str, dict[str, Any]], Path]) -> None:
    assert set(outcomes[0]) == set(CORPUS)
