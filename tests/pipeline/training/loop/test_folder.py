from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.pipeline.training.loop.folder import RunFolder, State

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"kind": "lora", "params": {"rank": 4, "rate": 0.1}, "data": {"a.png": "1", "b.png": "2"}}


def write(folder: RunFolder, step: int, keep: int = 1) -> None:
    folder.write_state(State(step, {"trained.x": torch.full((2,), float(step))}, {"step": str(step)}), keep)


def test_states_are_replaced_by_newer_ones(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a.run")
    folder.begin(SETTINGS)
    assert folder.read_state([]) is None
    for step in (3, 10, 20):
        write(folder, step, keep=2)
    assert sorted(path.name for path in folder.path.glob("state*")) == [
        "state-00000010.safetensors",
        "state-00000020.safetensors",
    ]
    state = folder.read_state([])
    assert state is not None
    assert (state.step, state.tensors["trained.x"].tolist(), state.metadata) == (20, [20, 20], {"step": "20"})


def test_a_damaged_state_is_passed_over_and_said(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(SETTINGS)
    write(folder, 1, keep=2)
    write(folder, 2, keep=2)
    (tmp_path / "state-00000002.safetensors").write_bytes(b"x" * 100)
    notes: list[str] = []
    state = folder.read_state(notes)
    assert state is not None
    assert state.step == 1
    assert "state-00000002" in notes[0]


def test_other_settings_are_refused_by_their_names(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(SETTINGS)
    folder.begin(SETTINGS)
    changed = {"kind": "lora", "params": {"rank": 8, "rate": 0.1, "min_snr": 5.0}, "data": {"a.png": "3", "c.png": "1"}}
    with pytest.raises(BadParameter) as error:
        folder.begin(changed)
    for words in (
        "--rank was 4 and is 8",
        "--min-snr was not there and is 5.0",
        "1 pictures or captions are added (c.png)",
        "1 pictures or captions are removed (b.png)",
        "1 pictures or captions are changed (a.png)",
        "--restart",
    ):
        assert words in str(error.value)
    with pytest.raises(BadParameter, match='kind was "lora" and is "embedding"'):
        folder.begin({**SETTINGS, "kind": "embedding"})


def test_a_restart_removes_all_but_the_latents(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(SETTINGS)
    write(folder, 5)
    for name in ("cache/a.safetensors", "previews/1.png", "log.jsonl", "loss.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    folder.begin({"kind": "embedding"}, restart=True)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["cache/a.safetensors", "settings.json"]


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(BadWeights, match=r"settings\.json.*--restart"):
        RunFolder(tmp_path).begin(SETTINGS)
    RunFolder(tmp_path).begin(SETTINGS, restart=True)
