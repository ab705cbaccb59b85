"""One loop for every part that is trained: time, rate, workers, checkpoints.

A run is a folder. Each part keeps its state there, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch

from ....core.errors import BadWeights
from ....core.tensor_files.safetensors_io import read_header, read_safetensors, write_safetensors
from .optimisers import Average, Muon
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ....core.networks.placement import Placement
    from ....core.progress import Progress

WARM_UP, FLOOR = 0.02, 0.03
"""Share of the time in which the rate grows; share of the rate that is left at the end."""
SAVE_EVERY, SAVE_SHARE = 180.0, 20
"""Seconds between checkpoints, each with a validation; and at least so many times what one takes."""


class Part(ABC):
    """What is trained. module: trainable parameters; rate: of Muon; batches: samples of a step, on a CPU and a GPU.

    name: of its file in the run's folder. plain: parameters that Adam trains. slow: those that begin trained. decay:
    of the moving average.
    """

    name = ""
    rate = 2e-3
    batches = (16, 256)
    decay = 0.999
    module: nn.Module
    plain: Sequence[nn.Parameter] = ()
    slow: Sequence[nn.Parameter] = ()

    def __init__(self, placement: Placement, batch: int = 0) -> None:
        """batch: 0 for that of the device."""
        self.device = torch.device(placement.device)
        self.batch = batch or self.batches[self.device.type != "cpu"]
        self._bf16 = placement.dtype == "bfloat16"

    def autocast(self) -> torch.autocast:
        """Compute in bfloat16 where the device is fast at it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16)

    def choose(self, count: int) -> Tensor:
        """Random indices below a count, one for each sample of a step."""
        return torch.randint(0, count, (self.batch,), device=self.device)

    @abstractmethod
    def compute_loss(self, share: float) -> Tensor:
        """Loss of one random batch. share: of the whole training that is over, 0 to 1."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Measures on scenes that are not trained on."""


class State(msgspec.Struct):
    """Where a part stands. seconds: of training, all runs together."""

    steps: int = 0
    samples: int = 0
    seconds: float = 0.0
    measures: dict[str, float] = {}


def train(part: Part, folder: Path, minutes: float, workers: Workers, progress: Progress) -> State:
    """Train a part until it has had this many minutes, all runs together; goes on where an earlier run stopped.

    The state is saved every few minutes and when the run is cancelled. Afterwards the module holds the average.
    """
    run = Run(part, folder / f"{part.name}.safetensors", workers)
    torch.manual_seed(1000 * run.state.steps + workers.rank)
    clock = time.monotonic() - run.state.seconds
    due = run.state.seconds + SAVE_EVERY
    try:
        while (share := workers.share_first(run.state.seconds / 60 / minutes)) < 1:
            progress(int(1000 * share), 1000, f"{part.name}, step {run.state.steps}")
            run.step(share)
            run.state.seconds = time.monotonic() - clock
            if workers.rank == 0 and run.state.seconds > due:
                run.save(progress)
                now = time.monotonic() - clock
                due = now + max(SAVE_EVERY, SAVE_SHARE * (now - run.state.seconds))
    finally:
        if workers.rank == 0:
            run.save(progress)
    run.average.swap(part.module)
    return run.state


class Run:
    """A part in training, with its optimiser, moving average and state; the file at path is where it goes on."""

    def __init__(self, part: Part, path: Path, workers: Workers) -> None:
        self.part, self.path, self.workers, self.state = part, path, workers, State()
        trained = (p for p in part.module.parameters() if p.requires_grad)
        self.optimiser = Muon(trained, part.rate, plain=part.plain, slow=part.slow, workers=workers)
        self.average = Average(part.module, part.decay)
        self.losses: list[Tensor] = []
        if path.exists():
            self._load()

    def step(self, share: float) -> None:
        """Train on one batch."""
        self.optimiser.set_rate(self.part.rate * find_rate(share))
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.part.compute_loss(share)
        loss.backward()
        self.workers.average_gradients(self.part.module)
        torch.nn.utils.clip_grad_norm_(self.part.module.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.part.module)
        self.losses = [*self.losses[-99:], loss.detach()]
        self.state.steps += 1
        self.state.samples += self.part.batch * self.workers.count

    def save(self, progress: Progress) -> None:
        """Validate the average, and write everything. Raises BadWeights, and writes nothing, when the loss is lost."""
        module, state = self.part.module, self.state
        recent = {"loss": float(torch.stack(self.losses).mean())} if self.losses else {}
        if not all(map(math.isfinite, recent.values())):
            what = f"has no finite loss any more at step {state.steps}"
            raise BadWeights(what, where=self.part.name, fix="run it again: it goes on from the last checkpoint")
        self.average.swap(module)
        state.measures = {**recent, **self.part.validate()}
        self.average.swap(module)
        tensors = {f"module.{name}": value.detach() for name, value in module.named_parameters()}
        tensors |= {f"average.{name}": value for name, value in self.average.values.items()}
        for name, value in module.named_parameters():
            tensors |= {f"{kind}.{name}": t for kind, t in self.optimiser.state.get(value, {}).items()}
        counts = {"optimiser": str(self.optimiser.count), "average": str(self.average.count)}
        plain = {name: value.contiguous().cpu() for name, value in tensors.items()}
        write_safetensors(self.path, plain, {"state": msgspec.json.encode(state).decode(), **counts})
        measures = ", ".join(f"{name} {value:.4f}" for name, value in state.measures.items())
        speed = state.samples / max(state.seconds, 1e-6)
        minutes = state.seconds / 60
        progress.log(f"{self.part.name}: {minutes:.1f} min, step {state.steps}, {speed:.1f} samples/s, {measures}")

    @torch.no_grad()
    def _load(self) -> None:
        tensors, metadata = read_safetensors(self.path), read_header(self.path).metadata
        for name, value in self.part.module.named_parameters():
            value.copy_(tensors[f"module.{name}"])
            self.average.values[name].copy_(tensors[f"average.{name}"])
            for kind in ("momentum", "mean", "square"):
                if f"{kind}.{name}" in tensors:
                    self.optimiser.state[value][kind] = tensors[f"{kind}.{name}"].to(value.device, copy=True)
        self.optimiser.count, self.average.count = int(metadata["optimiser"]), int(metadata["average"])
        self.state = msgspec.json.decode(metadata["state"], type=State)


def find_rate(share: float) -> float:
    """Share of the highest rate: a short rise, then a cosine."""
    return min(1.0, share / WARM_UP + 1e-3) * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(share, 1))))


def read_average(path: Path) -> dict[str, Tensor]:
    """The trained parameters of a part's state."""
    return {n.removeprefix("average."): t for n, t in read_safetensors(path).items() if n.startswith("average.")}


def read_state(path: Path) -> State:
    """Where a part stands."""
    return msgspec.json.decode(read_header(path).metadata["state"], type=State)
