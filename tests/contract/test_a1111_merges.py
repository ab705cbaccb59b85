"""A1111's arithmetic gives what A1111's own merger gives, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file
from tests.support.a1111_merges import CASES, METADATA, Case, hash_tensors, models
from tests.support.checkpoint_models import load_node, save
from tests.support.command_line import Run, quiet, run

from underdrawing.checkpoints.merging import merge

__all__ = ["quiet", "run"]
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "checkpoints" / "a1111_merges.json").read_text("utf-8"))


def make_node(case: Case, files: dict[str, Path]) -> dict[str, Any]:
    count = {"weighted_sum": 2, "add_difference": 3, "no_interpolation": 1}[case.method]
    loads = [load_node(files[letter], ema="keep") for letter in "abc"[:count]]
    node: dict[str, Any] = {"type": "apply", "method": case.method, "inputs": loads, "arithmetic": "a1111"}
    if case.method == "no_interpolation":
        node = loads[0]
    else:
        node["params"] = {"alpha": case.alpha}
    if case.vae:
        node = {"type": "bake_vae", "input": node, "vae": load_node(files["vae"])}
    return {"type": "cast", "input": node, "dtype": "fp16"} if case.half else node


@pytest.mark.parametrize("name", CASES)
def test_tensors_and_ancestry_are_those_of_the_other_program(name: str, tmp_path: Path) -> None:
    case, out = CASES[name], tmp_path / "o.safetensors"
    files = {
        letter: save(tmp_path / f"{letter}.safetensors", tensors, METADATA.get(letter))
        for letter, tensors in models(case).items()
    }
    merge(make_node(case, files), out)
    found, expected = hash_tensors(load_file(out)), dict(GOLDEN[name]["tensors"])
    if case.method == "no_interpolation":  # the other program halves schedulers too
        assert found.pop("betas").startswith("float32")
        assert expected.pop("betas").startswith("float16")
    assert found == expected
    with safe_open(out, "pt") as file:
        written = {key: json.loads(file.metadata()[key]) for key in GOLDEN[name]["metadata"]}
    wanted = GOLDEN[name]["metadata"]
    ancestors = {key: one for key, one in written["sd_merge_models"].items() if one["name"] != "vae.safetensors"}
    assert ancestors == wanted["sd_merge_models"]
    left = {"type", "custom_name", "config_source", "bake_in_vae"}  # who wrote it, and settings of a window
    left |= {"multiplier"} if case.method == "no_interpolation" else set()
    own, other = (
        {key: value for key, value in one["sd_merge_recipe"].items() if key not in left} for one in (written, wanted)
    )
    assert own == other
    assert written["sd_merge_recipe"]["bake_in_vae"] == ("vae.safetensors" if case.vae else None)


def test_the_command_line_computes_as_the_other_program(run: Run, tmp_path: Path) -> None:
    name = "add difference, float32, saved as half"
    files = [save(tmp_path / f"{letter}.safetensors", one) for letter, one in models(CASES[name]).items()]
    options = ["--method", "add_difference", "--alpha", 1.0, "--arithmetic", "a1111", "--dtype", "fp16"]
    done = run("checkpoint", "merge", *files, *options, "-o", tmp_path / "o.safetensors")
    assert done.code == 0, done.err
    assert hash_tensors(load_file(tmp_path / "o.safetensors")) == GOLDEN[name]["tensors"]


def test_all_cases_are_golden() -> None:
    assert set(GOLDEN) == set(CASES)
