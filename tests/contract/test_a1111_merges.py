"""A1111's arithmetic gives what A1111's own merger gives, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.support.a1111_merges import CASES, hash_tensors, models
from tests.support.checkpoint_models import save
from tests.support.command_line import Run, quiet, run

__all__ = ["quiet", "run"]
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "checkpoints" / "a1111_merges.json").read_text("utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_tensors_are_those_of_the_other_program(name: str, run: Run, tmp_path: Path) -> None:
    case = CASES[name]
    files = [save(tmp_path / f"{letter}.safetensors", tensors) for letter, tensors in models(case).items()]
    files = files[: 2 if case.method == "weighted_sum" else 3]
    options = ["--method", case.method, "--alpha", case.alpha, "--arithmetic", "a1111"]
    options += ["--dtype", "fp16"] if case.half else []
    done = run("checkpoint", "merge", *files, *options, "-o", tmp_path / "o.safetensors")
    assert done.code == 0, done.err
    assert hash_tensors(load_file(tmp_path / "o.safetensors")) == GOLDEN[name]


def test_all_cases_are_golden() -> None:
    assert set(GOLDEN) == set(CASES)
