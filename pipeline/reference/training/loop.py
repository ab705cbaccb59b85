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

from ....core.tensor_files.safetensors_io import read_header, read_safetensors, write_safetensors
from .optimisers import Average, Muon
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

WARM_UP, FLOOR = 0.02, 0.03
"""Share of the time in which the rate grows; share of the rate that is left at the end."""
SAVE_EVERY = 180.0
"""Seconds between checkpoints, each with a validation."""


class Part(ABC):
    """What is trained. module: trainable parameters; rate: of Muon; batch: samples of one step and worker.

    plain: parameters that Adam trains. decay: of the moving average.
    """

    name = ""
    rate = 2e-3
    batch = 16
    decay = 0.999
    module: nn.Module
    plain: Sequence[nn.Parameter] = ()

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


def train(part: Part, folder: Path, minutes: float, workers: Workers, report: Callable[[str], None]) -> State:
    """Train a part until it has had this many minutes, all runs together; goes on where an earlier run stopped."""
    optimiser = Muon((p for p in part.module.parameters() if p.requires_grad), part.rate, plain=part.plain)
    average = Average(part.module, part.decay)
    path = folder / f"{part.name}.safetensors"
    state = _load(path, part, optimiser, average) if path.exists() else State()
    torch.manual_seed(1000 * state.steps + workers.rank)
    clock, saved, losses = time.monotonic() - state.seconds, state.seconds, [0.0]
    while (share := workers.share_first(state.seconds / 60 / minutes)) < 1:
        optimiser.set_rate(part.rate * find_rate(share))
        optimiser.zero_grad(set_to_none=True)
        loss = part.compute_loss(share)
        loss.backward()
        workers.average_gradients(part.module)
        torch.nn.utils.clip_grad_norm_(part.module.parameters(), 1.0)
        optimiser.step()
        average.update(part.module)
        losses = [*losses[-99:], float(loss.detach())]
        state.steps += 1
        state.samples += part.batch * workers.count
        state.seconds = time.monotonic() - clock
        if workers.rank == 0 and state.seconds > saved + SAVE_EVERY:
            saved = state.seconds
            _save(path, part, optimiser, average, state, report, sum(losses) / len(losses))
    if workers.rank == 0:
        _save(path, part, optimiser, average, state, report, sum(losses) / len(losses))
    average.swap(part.module)
    return state


def find_rate(share: float) -> float:
    """Share of the highest rate: a short rise, then a cosine."""
    return min(1.0, share / WARM_UP + 1e-3) * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(share, 1))))


def read_average(path: Path) -> dict[str, Tensor]:
    """The trained parameters of a part's state."""
    return {n.removeprefix("average."): t for n, t in read_safetensors(path).items() if n.startswith("average.")}


def read_state(path: Path) -> State:
    """Where a part stands."""
    return msgspec.json.decode(read_header(path).metadata["state"], type=State)


def _save(
    path: Path,
    part: Part,
    optimiser: Muon,
    average: Average,
    state: State,
    report: Callable[[str], None],
    loss: float,
) -> None:
    average.swap(part.module)
    state.measures = {"loss": loss, **part.validate()}
    average.swap(part.module)
    tensors = {f"module.{name}": value.detach().contiguous() for name, value in part.module.named_parameters()}
    tensors |= {f"average.{name}": value.contiguous() for name, value in average.values.items()}
    for name, value in part.module.named_parameters():
        tensors |= {f"{kind}.{name}": t.contiguous() for kind, t in optimiser.state.get(value, {}).items()}
    counts = {"optimiser": str(optimiser.count), "average": str(average.count)}
    write_safetensors(path, tensors, {"state": msgspec.json.encode(state).decode(), **counts})
    measures = ", ".join(f"{name} {value:.4f}" for name, value in state.measures.items())
    speed = state.samples / max(state.seconds, 1e-6)
    report(f"{part.name}: {state.seconds / 60:.1f} min, step {state.steps}, {speed:.1f} samples/s, {measures}")


@torch.no_grad()
def _load(path: Path, part: Part, optimiser: Muon, average: Average) -> State:
    tensors, metadata = read_safetensors(path), read_header(path).metadata
    for name, value in part.module.named_parameters():
        value.copy_(tensors[f"module.{name}"])
        average.values[name].copy_(tensors[f"average.{name}"])
        for kind in ("momentum", "mean", "square"):
            if f"{kind}.{name}" in tensors:
                optimiser.state[value][kind] = tensors[f"{kind}.{name}"].clone()
    optimiser.count, average.count = int(metadata["optimiser"]), int(metadata["average"])
    return msgspec.json.decode(metadata["state"], type=State)
