from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.errors import Cancelled, MissingExtra, WriteFailed
from underdrawing.pipeline.training.loop import records as module
from underdrawing.pipeline.training.loop.records import Records, describe_smoothing, draw_losses, smooth

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_log_goes_on_after_the_step_of_the_state(tmp_path: Path) -> None:
    records = Records(tmp_path, 0, print)
    for step in range(1, 6):
        records.add({"step": step, "loss": 1 / step})
    records.flush()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    again = Records(tmp_path, 3, print)
    again.add({"step": 4, "loss": 0.5})
    again.flush()
    assert read(tmp_path) == [1, 2, 3, 4]
    assert Image.open(tmp_path / "loss.png").size == (module.WIDTH, module.HEIGHT)


def test_a_full_disk_is_noted_once_and_made_good_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    records = Records(tmp_path, 0, notes.append)

    def fail(*_: object, **__: object) -> None:
        raise WriteFailed("the disk is full", where="x")

    with monkeypatch.context() as patch:
        patch.setattr(module, "atomic_write", fail)
        records.add({"step": 1, "loss": 1.0})
        records.flush()
        records.add({"step": 2, "loss": 1.0})
        records.flush()
    assert len(notes) == 1
    assert "the run goes on" in notes[0]
    records.add({"step": 3, "loss": 1.0})
    records.flush()
    assert read(tmp_path) == [1, 2, 3]


def test_a_user_who_cancels_is_heard() -> None:
    def cancel() -> None:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        Records.attempt(Records.__new__(Records), cancel)


def test_tensorboard_is_named_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("no tensorboard", name="tensorboard")

    monkeypatch.setattr(module, "import_module", fail)
    with pytest.raises(MissingExtra, match="needs tensorboard"):
        Records(tmp_path, 0, print, tensorboard=True)


@pytest.mark.parametrize(
    "points", [[(1, 0.5)], [(1, 0.0), (2, 0.0)], [(step, 100.0 if step == 7 else 0.1) for step in range(99)]]
)
def test_any_losses_make_a_plot(points: list[tuple[int, float]]) -> None:
    assert Image.open(io.BytesIO(draw_losses(points))).format == "PNG"


def test_the_line_is_an_average_of_the_last_losses() -> None:
    losses = [float(number) for number in range(120)]
    line = smooth(losses)
    assert line[:3] == pytest.approx([0, 0.5, 1])
    assert line[-1] == pytest.approx(sum(losses[-50:]) / 50)


def test_dots_are_seen_and_the_line_is_said_to_be_what_it_is() -> None:
    grey = np.asarray(Image.open(io.BytesIO(draw_losses([(1, 1.0), (2, 3.0), (3, 1.5)]))).convert("L"))
    inside = grey[module.MARGIN + 1 : -module.MARGIN - 1, module.MARGIN + 1 : -module.MARGIN - 1]
    assert (inside == 0xB0).sum() >= 3
    assert describe_smoothing(3) == "all steps so far"
    assert describe_smoothing(module.SMOOTHING + 1) == "the last 50 steps"
