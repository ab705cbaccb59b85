from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from underdrawing.core.errors import BadWeights, Cancelled
from underdrawing.core.networks.placement import Placement
from underdrawing.core.progress import Progress
from underdrawing.pipeline.reference.training.loop import Part, Run, find_rate, read_average, read_state, train
from underdrawing.pipeline.reference.training.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path


class Line(Part):
    """A layer that learns to copy."""

    name = "line"
    batches = (4, 8)
    decay = 0.5

    def __init__(self, batch: int = 0) -> None:
        super().__init__(Placement(), batch)
        torch.manual_seed(0)
        self.module = nn.Linear(6, 6)

    def compute_loss(self, share: float) -> Tensor:
        inputs = torch.randn(self.batch, 6)
        return (self.module(inputs) - inputs).square().mean()

    def validate(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(1)
        inputs = torch.randn(32, 6, generator=generator)
        return {"validation": float((self.module(inputs) - inputs).square().mean().detach())}


class Stop(Progress):
    """Cancels after some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.lines = steps, list[str]()

    def show(self, done: int, total: int, message: str) -> None:
        self.steps -= 1
        if self.steps < 0:
            self.cancel()

    def log(self, text: str) -> None:
        self.lines.append(text)


def test_a_cancelled_run_goes_on(tmp_path: Path) -> None:
    for steps in (5, 12):
        with pytest.raises(Cancelled):
            train(Line(), tmp_path, 1e6, Workers(), Stop(5 if steps == 5 else 7))
        state = read_state(tmp_path / "line.safetensors")
        assert (state.steps, state.samples) == (steps, 4 * steps)
        assert state.seconds > 0


def test_a_state_holds_everything(tmp_path: Path) -> None:
    path = tmp_path / "line.safetensors"
    run = Run(Line(), path, Workers())
    for _ in range(3):
        run.step(0.5)
    progress = Stop(9)
    run.save(progress)
    again = Run(Line(), path, Workers())
    assert again.state == run.state
    torch.manual_seed(7)
    run.step(0.5)
    torch.manual_seed(7)
    again.step(0.5)
    for name, value in run.part.module.state_dict().items():
        assert torch.equal(value, again.part.module.state_dict()[name]), name
    assert all(torch.equal(value, again.average.values[name]) for name, value in run.average.values.items())
    assert "step 3" in progress.lines[0]
    assert "validation" in progress.lines[0]


def test_a_lost_run_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "line.safetensors"
    run = Run(Line(), path, Workers())
    run.step(0.5)
    run.save(Progress())
    before = path.read_bytes()
    with torch.no_grad():
        next(run.part.module.parameters())[:] = float("nan")
    run.step(0.5)
    with pytest.raises(BadWeights, match="has no finite loss any more at step 2"):
        run.save(Progress())
    assert path.read_bytes() == before


def test_the_end_is_the_average(tmp_path: Path) -> None:
    part = Line()
    state = train(part, tmp_path, 0.002, Workers(), Progress())
    assert state.steps > 0
    average = read_average(tmp_path / "line.safetensors")
    assert all(torch.equal(value, average[name]) for name, value in part.module.named_parameters())
    assert train(Line(), tmp_path, 0.002, Workers(), Progress()).steps == state.steps, "its minutes are over"
    again = read_average(tmp_path / "line.safetensors")
    assert all(torch.equal(value, average[name]) for name, value in again.items())


def test_the_rate_rises_and_falls() -> None:
    rates = [find_rate(share / 100) for share in range(101)]
    top = rates.index(max(rates))
    assert 0 < top < 5
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.05


def test_the_batch_is_the_devices_unless_given() -> None:
    assert (Line().batch, Line(batch=3).batch) == (4, 3)
    assert Line().choose(5).shape == (4,)
