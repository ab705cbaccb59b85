from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from underdrawing.core.errors import BadWeights, Cancelled, WriteFailed
from underdrawing.core.progress import Progress
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.training.loop import folder as folder_module
from underdrawing.pipeline.training.loop.chance import make_generator
from underdrawing.pipeline.training.loop.folder import RunFolder
from underdrawing.pipeline.training.loop.loop import Loop, Plan
from underdrawing.pipeline.training.trainable import ParamGroup, Trainable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Line(Trainable):
    """Two numbers that are to become 3; passes are noisy, and drop out by torch's own random numbers."""

    def __init__(self) -> None:
        self.values = nn.Parameter(torch.zeros(2))
        self.passes: list[tuple[int, int]] = []
        self.steps: list[int] = []

    def groups(self) -> list[ParamGroup]:
        return [ParamGroup(name="line", tensors={"values": self.values}, rate=0.1)]

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        return (write_safetensors(path, self.state(), metadata),)

    def before_pass(self, step: int, index: int) -> None:
        self.passes.append((step, index))

    def after_step(self, step: int) -> None:
        self.steps.append(step)

    def compute_loss(self, number: int) -> torch.Tensor:
        noise = torch.randn(2, generator=make_generator(1, number))
        return (nn.functional.dropout(self.values, 0.2) - 3 + noise).square().mean()


class Stopper(Progress):
    """Does something at a step."""

    def __init__(self, step: int = 0, act: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._step, self._act = step, act
        self.lines: list[str] = []

    def show(self, done: int, total: int, message: str) -> None:
        if done == self._step:
            self._act()

    def log(self, text: str) -> None:
        self.lines.append(text)


def make_loop(path: Path, notes: list[str] | None = None, line: Line | None = None, **plan: Any) -> Loop:
    line = line or Line()
    folder = RunFolder(path)
    folder.begin({})
    values: dict[str, Any] = {
        "steps": 12,
        "accumulate": 2,
        "state_minutes": 0.0,
        "schedule": "cosine",
        "warm_up": 2,
        **plan,
    }
    return Loop(line, line.compute_loss, Plan(**values), folder, ([] if notes is None else notes).append)


def train(path: Path, **plan: Any) -> torch.Tensor:
    loop = make_loop(path, **plan)
    loop.run(Stopper())
    return loop.trainable.state()["values"].clone()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    return train(tmp_path_factory.mktemp("whole"))


def test_passes_and_steps_are_counted(tmp_path: Path) -> None:
    line, stopper = Line(), Stopper()
    make_loop(tmp_path, line=line, steps=3).run(stopper)
    assert line.passes == [(step, index) for step in range(3) for index in range(2)]
    assert line.steps == [1, 2, 3]
    assert stopper.lines[0].startswith("step 1 of 3, loss ")
    assert "left" in stopper.lines[-1]


@pytest.mark.parametrize("every", [1, 5])
def test_a_run_that_was_broken_off_ends_in_the_same_bits(tmp_path: Path, whole: torch.Tensor, every: int) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    for step in (1, 6, 11):
        with pytest.raises(ZeroDivisionError):
            make_loop(tmp_path / str(step), state_every=every).run(Stopper(step, fail))
        loop = make_loop(tmp_path / str(step), state_every=every)
        assert loop.start == (step - 1) // every * every
        loop.run(Stopper())
        assert torch.equal(loop.trainable.state()["values"], whole)
        assert [row["step"] for row in loop.records.rows] == list(range(1, 13))


def test_ctrl_c_and_a_cancelled_run_are_saved(tmp_path: Path, whole: torch.Tensor) -> None:
    notes: list[str] = []

    def press() -> None:  # the handler itself: a real signal may come late and would end the process of all tests
        handler = signal.getsignal(signal.SIGINT)
        assert callable(handler)
        handler(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        make_loop(tmp_path, notes).run(Stopper(4, press))
    assert notes == ["stopped; the state of step 4 is saved: the same command goes on from there"]
    loop, stopper = make_loop(tmp_path, notes), Stopper(7)
    stopper._act = stopper.cancel  # pyright: ignore[reportPrivateUsage]
    assert loop.start == 4
    with pytest.raises(Cancelled):
        loop.run(stopper)
    loop = make_loop(tmp_path)
    assert loop.start == 7
    loop.run(Stopper())
    assert torch.equal(loop.trainable.state()["values"], whole)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_full_disk_keeps_the_old_state_and_the_run(
    tmp_path: Path, whole: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    original = folder_module.write_safetensors

    def write(path: Path, *rest: object) -> Path:
        if any(f"{step:08}" in path.name for step in (4, 6)):
            raise WriteFailed("the disk is full: 0 bytes free", where=str(path), fix="free some space")
        return original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_module, "write_safetensors", write)
    loop = make_loop(tmp_path, notes, state_every=2)
    present: list[str] = []
    loop.run(Stopper(7, lambda: present.extend(path.name for path in tmp_path.glob("state-*"))))
    assert present == ["state-00000002.safetensors"], "the old state stays while the disk is full"
    assert [note.partition(":")[0] for note in notes] == [
        "the state of step 4 is not saved, that of step 2 stays",
        "the state of step 6 is not saved, that of step 2 stays",
    ]
    assert torch.equal(loop.trainable.state()["values"], whole)
    assert [path.name for path in tmp_path.glob("state-*")] == ["state-00000012.safetensors"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, value: float) -> None:
    line = Line()
    original = line.compute_loss
    line.compute_loss = lambda number: original(number) * (value if number == 11 else 1)  # type: ignore[method-assign]
    loop = make_loop(tmp_path, line=line, state_every=4)
    with pytest.raises(BadWeights, match=r"loss is no finite number any more at step 6\. Next: the state of step 4"):
        loop.run(Stopper())
    assert line.values.isfinite().all()
    assert make_loop(tmp_path).start == 4


def test_gradients_that_are_no_numbers_stop_the_run_before_they_are_used(tmp_path: Path) -> None:
    line = Line()
    line.compute_loss = lambda _: (line.values * 0).abs().sqrt().sum() + 1  # type: ignore[method-assign]
    with pytest.raises(BadWeights, match="gradient is no finite number any more at step 1"):
        make_loop(tmp_path, line=line).run(Stopper())
    assert line.values.tolist() == [0, 0]


def test_states_of_other_tensors_are_refused(tmp_path: Path) -> None:
    train(tmp_path, steps=2)
    line = Line()
    line.values = nn.Parameter(torch.zeros(3))
    with pytest.raises(BadWeights, match=r"other tensors.*--restart"):
        make_loop(tmp_path, line=line)


def test_the_updates_are_those_of_adamw_written_out(tmp_path: Path) -> None:
    """One number, constant loss gradient 1: clipped to norm 1, moved by the rate against its sign."""
    line = Line()
    line.compute_loss = lambda _: line.values.sum()  # type: ignore[method-assign]
    make_loop(tmp_path, line=line, steps=2, schedule="constant", warm_up=0, accumulate=1).run(Stopper())
    assert line.values.tolist() == pytest.approx([-0.2, -0.2], rel=1e-5)


def test_the_caller_s_random_numbers_stay(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train(tmp_path, steps=2)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(("stop", "expected"), [(4, [4]), (3, []), (0, [])])
def test_the_preview_of_the_step_that_a_run_goes_on_from(tmp_path: Path, stop: int, expected: list[int]) -> None:
    completed: list[int] = []
    for steps in (stop, 6):
        line, folder = Line(), RunFolder(tmp_path)
        folder.begin({})
        plan = Plan(steps=steps, preview_every=2)
        Loop(line, line.compute_loss, plan, folder, print, None, completed.append).run(Stopper())
    assert completed == expected


def test_a_preview_that_fails_is_noted_and_the_run_goes_on(tmp_path: Path) -> None:
    notes: list[str] = []
    line, steps = Line(), list[int]()

    def preview(step: int) -> None:
        steps.append(step)
        raise WriteFailed("the disk is full", where="preview")

    folder = RunFolder(tmp_path)
    folder.begin({})
    Loop(line, line.compute_loss, Plan(steps=6, preview_every=2), folder, notes.append, preview).run(Stopper())
    assert steps == [2, 4, 6]
    assert len(notes) == 1
