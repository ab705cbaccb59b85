"""Resize a LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about, between
from ...core.report_text import text_lines
from ._fields import MAX_RANK, RANK, Cumulative, DType, Frobenius, Ratio, rank_rule


class ResizeInputs(Inputs, frozen=True):
    """One LoRA."""

    lora: Annotated[Path, slot("lora", "LoRA file, or a folder that PEFT wrote")]
    output: Annotated[Path, target("lora", "New LoRA, a .safetensors file")]


class ResizeParams(Params, frozen=True):
    """How many ranks stay; at least one of the first four must be given."""

    rank: Annotated[int, between(0, MAX_RANK, f"{RANK}; 0: as many as the share asks for")] = 0
    frobenius: Frobenius = 0.0
    cumulative: Cumulative = 0.0
    ratio: Ratio = 0.0
    dtype: Annotated[DType, about("dtype of the new file")] = "float16"


class LoraResize(Operation[ResizeInputs, ResizeParams]):
    """Write a LoRA with fewer ranks."""

    spec = Spec(id="lora.resize", title="Resize LoRA")

    def run(self, inputs: ResizeInputs, params: ResizeParams, job: Job) -> Report:
        """Cut the ranks. Raises BadWeights, BadParameter, WriteFailed."""
        from ..reading.load import load_adapter
        from ..tools.combine import resize

        rule = rank_rule(params.rank, params.ratio, params.cumulative, params.frobenius)
        if rule is None:
            what = "how many ranks are to be kept is not given"
            raise BadParameter(what, where="rank", fix="give rank, ratio, cumulative or frobenius")
        adapter = load_adapter(inputs.lora)
        with job.progress("resize") as progress:
            report = resize(adapter, inputs.output, rule, dtype=params.dtype, progress=progress)
        return Report(text=text_lines(report), data=report.to_json(), files=report.files)
