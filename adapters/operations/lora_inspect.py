"""Say what LoRA files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params


class InspectInputs(Inputs, frozen=True):
    """One file of any dialect."""

    lora: Annotated[Path, slot("lora", "LoRA file, or a folder that PEFT wrote", repeat="each")]


class LoraInspect(Operation[InspectInputs, Params]):
    """Say what LoRA files hold: dialect, base model, algorithms, ranks, embeddings, and unused keys with the reason."""

    spec = Spec(id="lora.inspect", title="Inspect LoRA")

    def run(self, inputs: InspectInputs, params: Params, job: Job) -> Report:
        """Read the file. Raises BadWeights, UnsafeFile."""
        from ..reading.load import load_adapter
        from ..reading.report_text import adapter_lines

        report = load_adapter(inputs.lora).report()
        return Report(text="\n".join(adapter_lines(report)), data=report)
