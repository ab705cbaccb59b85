"""Train a LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...core.operation import Job, Operation, Report, Spec, target
from ...core.params import between
from ..training.params import DataInputs, TrainParams

if TYPE_CHECKING:
    from ..models.model import Model
    from ..training.trainable import Trainable


class LoraInputs(DataInputs, frozen=True):
    """The training set, and where to."""

    output: Annotated[Path, target("lora", "File of the LoRA; the run is kept beside it in OUT.run")]


class LoraParams(TrainParams, frozen=True):
    """Those of all training, and those of a LoRA."""

    rank: Annotated[int, between(1, 4096, "Rank (dim)")] = 4


class TrainLora(Operation[LoraInputs, LoraParams]):
    """Train a LoRA on the pictures of a folder.

    """

    spec = Spec(id="train.lora", title="Train a LoRA", hosts=("cli",))

    def run(self, inputs: LoraInputs, params: LoraParams, job: Job) -> Report:
        """Train. Raises every error of a session."""
        from ..training.session import Session
        from .plain import PlainLora

        def build(model: Model) -> Trainable:
            return PlainLora(model, params.rank, params.rate, params.weight_decay, params.seed)

        return Session("lora", inputs.data, inputs.output, params, job).train(build, lambda *_: {})
