from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from underdrawing.core.errors import BadParameter, MissingExtra
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, Report, run
from underdrawing.core.operation_registry import operations
from underdrawing.pipeline.operations.reference_train import share_minutes
from underdrawing.pipeline.reference.training import parts
from underdrawing.pipeline.reference.training.data import write_scenes

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS = find_spec("diffusers") is not None and find_spec("transformers") is not None


def train(folder: Path, **values: str | float) -> Report:
    operation = operations()["reference.train"]
    return run(operation, {"output": folder}, {"device": "cpu", **values}, Job(HostHooks()))


def test_the_minutes_are_shared_out() -> None:
    trained = [step for step in parts.STEPS if step not in ("scenes", "latents", "export")]
    assert sum(map(share_minutes, trained)) == pytest.approx(1)


def test_steps_out_of_turn_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="base builds on latents"):
        train(tmp_path, step="base")


@pytest.mark.skipif(NETWORKS, reason="the extra pipeline is installed")
def test_the_extra_is_named(tmp_path: Path) -> None:
    list(write_scenes(tmp_path / "scenes", 0, 1))
    with pytest.raises(MissingExtra, match="diffusers"):
        train(tmp_path, step="vae")


@pytest.mark.skipif(not NETWORKS, reason="the extra pipeline is not installed")
def test_a_whole_run_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "JUDGED", 2)
    for name in ("CAPTIONS", "JUDGED"):
        monkeypatch.setattr(f"underdrawing.pipeline.reference.training.text.{name}", 8)
    steps = ("scenes", "vae", "latents", "text", "base", "control_pose", "export")
    monkeypatch.setattr(parts, "STEPS", steps)
    values: dict[str, str | float] = {"scenes": 4, "minutes": 0.02, "batch": 4}
    report = train(tmp_path, **values)
    assert set(report.data) == {"vae", "text", "base", "control_pose"}
    assert all(one["steps"] >= 1 for one in report.data.values())
    names = {path.name for path in (tmp_path / "weights").iterdir()}
    assert {"unet", "vae", "text_encoder", "control_lora_pose.safetensors"} <= names
    again = train(tmp_path, **values)
    assert again.data == {}, "everything has had its minutes"
