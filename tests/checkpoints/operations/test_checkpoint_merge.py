"""Merging by the command line: what is given becomes a recipe, what cannot be meant is refused or noted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.support.checkpoint_models import apply_node, expect, mix, save, tiny
from tests.support.command_line import Run

from underdrawing.checkpoints import merging
from underdrawing.checkpoints.method_registry import describe_method, methods
from underdrawing.checkpoints.operations.checkpoint_merge import CheckpointMerge


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: save(tmp_path / f"{name} x.safetensors", tiny(seed)) for seed, name in enumerate("abc")}


def test_a_merge_and_its_report(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    done = run("checkpoint", "merge", files["a"], files["b"], "--alpha", 0.3, "--dtype", "fp16", "-o", out, "--json")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["keys"] == len(load_file(out)) == len(tiny())
    wanted = expect(mix(0.3), tiny(0), tiny(1))
    assert all((load_file(out)[key] == tensor).all() for key, tensor in wanted.items())
    recipe = json.dumps(apply_node("weighted_sum", files["a"], files["b"], alpha=0.3))
    other = tmp_path / "p.safetensors"
    again = run("checkpoint", "merge", "--recipe", recipe, "--dtype", "fp16", "-o", other, "--json")
    assert json.loads(again.out)["sha256"] == data["sha256"]


def test_a_dry_run_writes_nothing_and_says_what_would_be(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    done = run(
        "checkpoint", "merge", files["a"], files["b"], files["c"], "--method", "add_difference", "--dry-run", "--json"
    )
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["merged"]
    assert data["bytes"]
    assert not list(tmp_path.glob("*.safetensors.*"))
    recipe = tmp_path / "r.json"
    recipe.write_text(json.dumps(data["recipe"]))
    done = run("checkpoint", "merge", "--recipe", recipe, "-o", tmp_path / "o.safetensors")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["A", "B"], 2, "needs a file"),
        (["-o", "OUT"], 2, "no checkpoints"),
        (["A", "-o", "OUT"], 2, "2 checkpoints; 1 were given"),
        (["A", "B", "-o", "A"], 2, "one of the inputs"),
        (["A", "B", "-o", "OUT", "--method", "unknown"], 2, "unknown"),
        (["A", "B", "-o", "OUT", "--blocks", "1,2,3"], 2, "3 block weights"),
        (["A", "B", "-o", "OUT", "--alpha", "nan"], 2, "finite"),
        (["A", "B", "-o", "OUT", "--method", "sigmoid_interpolation", "--alpha", "2"], 2, "alpha"),
        (["A", "nowhere.safetensors", "-o", "OUT"], 1, "cannot be read"),
        (["A", "B", "-o", "OUT", "--recipe", "{}"], 2, "its own checkpoints"),
        (["--recipe", "{}", "-o", "OUT"], 2, "no recipe"),
    ],
)
def test_what_cannot_be_meant(
    run: Run, files: dict[str, Path], tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    places = {"A": files["a"], "B": files["b"], "OUT": tmp_path / "o.safetensors"}
    done = run("checkpoint", "merge", *(places.get(word, word) for word in arguments))
    assert done.code == code, done.err
    assert said in done.err
    assert not (tmp_path / "o.safetensors").exists()


def test_a_parameter_of_another_method_is_noted(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    done = run("checkpoint", "merge", files["a"], files["b"], "--beta", 0.2, "-o", tmp_path / "o.safetensors")
    assert done.code == 0
    assert "weighted_sum has no beta" in done.err


def test_presets_come_from_a_file(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    presets = tmp_path / "presets.tsv"
    presets.write_text("preset_name\tpreset_weights\nMINE\t" + ",".join(["1"] * 26) + "\n")
    out = tmp_path / "o.safetensors"
    done = run("checkpoint", "merge", files["a"], files["b"], "--blocks", "MINE", "--presets", presets, "-o", out)
    assert done.code == 0, done.err
    wanted = expect(mix(1), tiny(0), tiny(1))
    assert all((load_file(out)[key] == tensor).all() for key, tensor in wanted.items())


def test_every_method_stands_in_the_help() -> None:
    rows = dict(CheckpointMerge.details()["Methods"])
    assert set(rows) == {method.spec.id for method in methods()}
    assert all(describe_method(method) == rows[method.spec.id] for method in methods())
    names = [field.name for field in CheckpointMerge.fields()]
    assert names[:2] == ["method", "alpha"]
    assert {field.name for method in methods() for field in method.fields()} <= set(names)


def test_presets_that_cannot_be_read_are_named(run: Run, tmp_path: Path) -> None:
    model = save(tmp_path / "a.safetensors", tiny())
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("binary", "none", "."):
        presets = tmp_path / name
        done = run("checkpoint", "merge", model, model, "--presets", presets, "-o", tmp_path / "o.safetensors")
        assert done.code == 2, name
        assert "cannot be read" in done.err, name


def test_a_byte_order_mark_is_no_part_of_a_preset_s_name(run: Run, tmp_path: Path) -> None:
    model, presets = save(tmp_path / "a.safetensors", tiny()), tmp_path / "p.tsv"
    presets.write_text("\ufeffMINE\t" + ",".join(["0.5"] * 26), "utf-8")
    options = ("--presets", presets, "--blocks", "MINE", "-o", tmp_path / "o.safetensors")
    assert run("checkpoint", "merge", model, model, *options).code == 0


def test_the_number_of_checkpoints_is_checked_before_any_file_is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "hash_files", None)
    found = run("checkpoint", "merge", "a.safetensors", "-o", "out.safetensors")
    assert found.code == 2
    assert "1 were given" in found.err


def test_what_is_given_counts_where_it_is_the_common_default(run: Run, files: dict[str, Path]) -> None:
    command = ("checkpoint", "merge", files["a"], files["b"], "--method", "tensor", "--dry-run", "--json")
    found = [json.loads(run(*command, *more).out)["recipe"]["params"]["beta"] for more in ((), ("--beta", 0.5))]
    assert found == [0.0, 0.5]


def test_presets_of_a_file_and_random_weights_stand_in_the_recipe(
    run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    presets = tmp_path / "presets.tsv"
    presets.write_text("MINE\t" + ",".join(["0.25"] * 26) + "\nDRAWN\t" + ",".join(["R", "U"] * 13) + "\n")
    common = ("--presets", presets, "-o", tmp_path / "o.safetensors", "--json")

    def merge(*arguments: object) -> dict[str, str]:
        done = run("checkpoint", "merge", files["a"], files["b"], *arguments, *common)
        assert done.code == 0, done.err
        return json.loads(done.out)["recipe"]

    assert merge("--blocks", "MINE")["blocks"] == ",".join(["0.25"] * 26)
    inspected = json.loads(run("checkpoint", "inspect", tmp_path / "o.safetensors", "--json").out)
    assert inspected["recipe"]["blocks"] == ",".join(["0.25"] * 26)
    first, again, other = (merge("--blocks", "DRAWN", "--seed", seed)["blocks"] for seed in (1, 1, 2))
    assert first == again != other
    numbers = [float(value) for value in first.split(",")]
    assert len(set(numbers)) == 26
    assert all(0 <= value <= 1 for value in numbers[::2])
    assert all(-0.5 <= value <= 1.5 for value in numbers[1::2])
    limited = merge("--blocks", ",".join(["X"] * 26), "--lower", "0.2", "--upper", "0.3")["blocks"]
    assert all(0.2 <= float(value) <= 0.3 for value in limited.split(","))
    unused = run("checkpoint", "merge", files["a"], files["b"], "--blocks", "GRAD_V", "--lower", "0.2", *common)
    assert "no X or D in block weights or rules uses lower" in unused.err
    assert merge("--blocks", "ER," + "0," * 24 + "0", "--seed", 4)["elements"] == "BASE::0~1@4"
    done = run("checkpoint", "merge", files["a"], files["b"], "--blocks", ",".join(["X+0.1"] * 26), *common)
    assert done.code == 2
    assert "E before R, U or X" in done.err


def test_a_file_that_is_replaced_is_named(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    first, second = (run("checkpoint", "merge", files["a"], files["b"], "-o", out) for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    assert "replaced" not in first.err
    assert f"{out}: the file that was there is replaced" in second.err
    assert "replaced" in run("checkpoint", "convert", files["a"], "-o", out).err
