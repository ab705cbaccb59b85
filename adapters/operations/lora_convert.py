"""Convert a LoRA to another naming."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about, between
from ...core.report_text import text_lines
from ._fields import MAX_RANK


class ConvertInputs(Inputs, frozen=True):
    """One LoRA of any dialect."""

    lora: Annotated[Path, slot("lora", "LoRA file, or a folder that PEFT wrote")]
    output: Annotated[Path, target("lora", "New LoRA: a .safetensors file, for peft a folder")]


class ConvertParams(Params, frozen=True):
    """The naming, and what to do with what it lacks."""

    old_names: ClassVar[dict[str, str]] = {"to": "naming", "dense": "dense_rank"}

    naming: Annotated[Literal["kohya", "diffusers", "peft"], about("Names of the keys; peft writes a folder")] = "kohya"
    dense_rank: Annotated[
        int,
        between(0, MAX_RANK, "Approximate unsupported layer types with a LoRA of this rank; 0 refuses them"),
    ] = 0


class LoraConvert(Operation[ConvertInputs, ConvertParams]):
    """Write a LoRA of any dialect under other names with the same effect; tokens go to files beside it."""

    spec = Spec(id="lora.convert", title="Convert LoRA")

    def suffix(self, params: ConvertParams) -> str:
        """A folder for peft."""
        return "" if params.naming == "peft" else ".safetensors"

    def run(self, inputs: ConvertInputs, params: ConvertParams, job: Job) -> Report:
        """Convert and write. Raises BadWeights, BadParameter, WriteFailed."""
        from ..reading.load import load_adapter
        from ..tools.convert import convert
        from ..tools.svd import RankRule

        dense = RankRule(params.dense_rank) if params.dense_rank else None
        adapter = load_adapter(inputs.lora)
        with job.progress("convert") as progress:
            report = convert(adapter, inputs.output, params.naming, dense=dense, progress=progress)
        return Report(text=text_lines(report), data=report.to_json(), files=report.files)
