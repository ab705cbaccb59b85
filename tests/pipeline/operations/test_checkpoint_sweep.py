from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from safetensors.torch import load_file
from tests.support.checkpoint_models import apply_node, expect, hash_tensors, mix, save, tiny

from underdrawing.checkpoints.merging import merge
from underdrawing.core.errors import BadParameter, UnknownName
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job
from underdrawing.core.operation import run as run_operation
from underdrawing.pipeline.operations.checkpoint_sweep import CheckpointSweep

if TYPE_CHECKING:
    from pathlib import Path


def sweep(folder: Path, checkpoints: tuple[Path, ...], **values: Any) -> Any:
    inputs = {"checkpoints": checkpoints, "output": folder / "sweep"}
    return run_operation(CheckpointSweep, inputs, values, Job(HostHooks())).data


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    return tuple(save(tmp_path / f"{name}.safetensors", tiny(seed)) for seed, name in enumerate("ab"))


def test_recipes_make_the_merges_that_they_say(files: tuple[Path, ...], tmp_path: Path) -> None:
    data = sweep(tmp_path, files, alpha="0:1:0.25", preset="GRAD_V,IN04", method="weighted_sum", dtype="fp16")
    assert len(data["merges"]) == 10
    assert len({row["recipe_sha256"] for row in data["merges"]}) == 10
    row = data["merges"][2]
    assert (row["name"], row["checkpoint"], row["picture"]) == ("weighted_sum-0.25-GRAD_V", None, None)
    assert json.loads((tmp_path / "sweep" / f"{row['name']}.json").read_text())["dtype"] == "fp16"
    assert not list((tmp_path / "sweep").glob("*.safetensors"))


def test_checkpoints_are_those_of_the_recipes(files: tuple[Path, ...], tmp_path: Path) -> None:
    data = sweep(tmp_path, files, alpha="0.5,0.75", method="weighted_sum,slerp", write=True, elements="OUT00::0")
    for row in data["merges"]:
        again = merge(row["recipe"], tmp_path / "again.safetensors")
        assert again.data["sha256"] == row["sha256"]
        node = apply_node(row["method"], *files, alpha=row["alpha"], elements="OUT00::0")
        merge(node, tmp_path / "own.safetensors")
        assert hash_tensors(tmp_path / "own.safetensors") == hash_tensors(tmp_path / "again.safetensors")
    first = load_file(data["merges"][0]["checkpoint"])
    key = "model.diffusion_model.out.2.weight"
    assert bool((first[key] == expect(mix(0.5), tiny(0), tiny(1))[key]).all())


def test_what_cannot_be_swept_is_refused_before_anything_is_written(files: tuple[Path, ...], tmp_path: Path) -> None:
    for error, values in (
        (UnknownName, {"method": "weighted"}),
        (UnknownName, {"preset": "nothing here"}),
        (BadParameter, {"alpha": "0:1"}),
        (BadParameter, {"method": "add_difference"}),
        (BadParameter, {"blocks": "GRAD_V"}),
        (BadParameter, {"recipe": "{}"}),
    ):
        with pytest.raises(error):
            sweep(tmp_path, files, **values)
    assert not (tmp_path / "sweep").exists()


def test_files_that_the_folder_held_before_are_said(files: tuple[Path, ...], tmp_path: Path) -> None:
    assert not sweep(tmp_path, files, alpha="0.5")["notes"]
    (tmp_path / "sweep" / "sheet.png").write_bytes(b"of another sweep")
    notes = "\n".join(sweep(tmp_path, files, alpha="0.5")["notes"])
    assert "replaced: weighted_sum-0.5.json" in notes
    assert "not of this sweep" in notes
    assert "sheet.png" in notes
    notes = "\n".join(sweep(tmp_path, files, alpha="0.75")["notes"])
    assert "replaced" not in notes
    assert "2 files" in notes


def test_pictures_are_of_the_merged_checkpoints(tmp_path: Path) -> None:
    from tests.support.tiny_diffusion import require_diffusers, write_checkpoint

    require_diffusers()
    models = tuple(write_checkpoint(tmp_path / f"{seed}.safetensors", seed=seed) for seed in (0, 10))
    wanted = {"prompt": "a ball", "width": 64, "height": 64, "picture_steps": 1, "sampler": "Euler"}
    data = sweep(tmp_path, models, alpha="0,1", **wanted)
    one, other = (Image.open(row["picture"]) for row in data["merges"])
    assert one.size == (64, 64)
    assert one.tobytes() != other.tobytes()
    assert "weighted_sum-1" in str(other.info["parameters"])
    assert (tmp_path / "sweep" / "sheet.png").is_file()
    assert sorted(path.suffix for path in (tmp_path / "sweep").iterdir()) == [".json"] * 2 + [".png"] * 3
