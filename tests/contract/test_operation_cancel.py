"""Every operation that writes reports progress, can be cancelled at each step, and leaves nothing half-written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support.adapter_models import SD15, lora, unet

from underdrawing.core.errors import Cancelled
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, WeightedLora, run
from underdrawing.core.operation_registry import operations
from underdrawing.core.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class Counter(Progress):
    """Counts the steps of all runs, and cancels itself at one of them."""

    def __init__(self, stop_at: int) -> None:
        super().__init__()
        self.steps: list[tuple[int, int]] = []
        self._stop_at = stop_at

    def show(self, done: int, total: int, message: str) -> None:
        self.steps.append((done, total))
        if len(self.steps) == self._stop_at:
            self.cancel()


class Impatient(HostHooks):
    """A host whose user cancels at a step; 0: never."""

    def __init__(self, stop_at: int = 0) -> None:
        self.counter = Counter(stop_at)

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        yield self.counter


def inputs(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Operation → inputs and parameters, of small files in the folder; results go to its sub-folder out."""
    torch.set_num_threads(1)
    folder.mkdir()
    base = {name: tensor.contiguous() for name, tensor in unet().state_dict().items()}
    save_file(base, folder / "base.safetensors")
    save_file(
        {name: tensor + 0.01 * torch.randn_like(tensor) for name, tensor in base.items()}, folder / "new.safetensors"
    )
    for seed, name in enumerate("ab"):
        save_file(lora(SD15.modules(), "lora_unet_", seed=seed), folder / f"{name}.safetensors")
    out, both = (
        folder / "out" / "new.safetensors",
        (WeightedLora(folder / "a.safetensors"), WeightedLora(folder / "b.safetensors")),
    )
    files = {"tuned": folder / "new.safetensors", "base": folder / "base.safetensors"}
    one = {"checkpoint": folder / "base.safetensors", "output": out}
    save_file({"decoder.conv_in.weight": torch.ones(4, 4, 3, 3)}, folder / "vae.safetensors")
    return {
        "lora.bake": ({"checkpoint": folder / "base.safetensors", "loras": both, "output": out}, {}),
        "lora.extract": ({**files, "output": out}, {"rank": 2}),
        "lora.merge": ({"loras": both, "output": out}, {"rank": 2}),
        "lora.resize": ({"lora": folder / "a.safetensors", "output": out}, {"rank": 1}),
        "lora.convert": ({"lora": folder / "a.safetensors", "output": out}, {"naming": "diffusers"}),
        "checkpoint.merge": ({"checkpoints": tuple(files.values()), "output": out}, {}),
        "checkpoint.convert": (one, {"dtype": "fp16"}),
        "checkpoint.prune": (one, {}),
        "checkpoint.bake_vae": ({**one, "vae": folder / "vae.safetensors"}, {}),
        "reference.export": ({"output": out}, {}),
    }


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


NAMES = (
    *("lora.bake", "lora.extract", "lora.merge", "lora.resize", "lora.convert"),
    *("checkpoint.merge", "checkpoint.convert", "checkpoint.prune", "checkpoint.bake_vae", "reference.export"),
)


@pytest.mark.parametrize("name", NAMES)
def test_cancelled_runs_leave_nothing(name: str, tmp_path: Path) -> None:
    given, values = inputs(tmp_path / "files")[name]
    before = tree(tmp_path)
    whole = Impatient()
    report = run(operations()[name], given, values, Job(whole))
    steps = whole.counter.steps
    assert len(steps) > 2
    assert steps[-1][0] == steps[-1][1], "the last step says that all is done"
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert all(path.exists() for path in report.files)
    for path in report.files:
        path.unlink()
    for stop_at in (1, len(steps) // 2, len(steps)):
        with pytest.raises(Cancelled):
            run(operations()[name], given, values, Job(Impatient(stop_at)))
        assert tree(tmp_path) == before, f"stopped at step {stop_at} of {len(steps)}"


KEEPING = {"train.lora", "train.pti"}
"""Training keeps its state when it is cancelled, to go on from there: tests/pipeline/training/test_session.py."""


def test_every_operation_that_writes_a_file_itself_is_tried_here() -> None:
    written = {o.spec.id for o in operations() if (t := o.target()) is not None and t.kind in ("lora", "checkpoint")}
    assert written - KEEPING == set(NAMES)
