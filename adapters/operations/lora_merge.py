"""Merge LoRAs into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, WeightedLora, slot, target
from ...core.params import Params, about, between
from ...core.report_text import text_lines
from ._fields import MAX_RANK, RANK, Cumulative, DType, Frobenius, Ratio, load_weighted, rank_rule


class MergeInputs(Inputs, frozen=True):
    """Several LoRAs."""

    loras: Annotated[tuple[WeightedLora, ...], slot("loras", "LoRAs with their strengths", repeat="all")]
    output: Annotated[Path, target("lora", "New LoRA, a .safetensors file")]


class MergeParams(Params, frozen=True):
    """How they become one."""

    how: Annotated[
        Literal["auto", "concat", "svd"],
        about("concat: exact, ranks add up; svd: cut down by the ranks below; auto: svd if one of those is given"),
    ] = "auto"
    rank: Annotated[int, between(0, MAX_RANK, f"{RANK}; 0: as many as the share asks for")] = 0
    dtype: Annotated[Literal["auto", DType], about("dtype of the new file; auto: what keeps the result exact")] = "auto"
    frobenius: Frobenius = 0.0
    cumulative: Cumulative = 0.0
    ratio: Ratio = 0.0
    allow_mismatch: Annotated[bool, about("Merge LoRAs made for different base models too")] = False


class LoraMerge(Operation[MergeInputs, MergeParams]):
    """Write one LoRA that does what several do together, each at its strength."""

    spec = Spec(id="lora.merge", title="Merge LoRAs", added=("frobenius", "cumulative", "ratio", "allow_mismatch"))

    def run(self, inputs: MergeInputs, params: MergeParams, job: Job) -> Report:
        """Merge and write. Raises BadWeights, BadParameter, WriteFailed."""
        from ..tools.combine import merge

        if blocked := [lora.path.name for lora in inputs.loras if lora.blocks]:
            raise BadParameter("a merge has no block weights", where=blocked[0], fix="take them out")
        rule = rank_rule(params.rank, params.ratio, params.cumulative, params.frobenius)
        how = ("svd" if rule else "concat") if params.how == "auto" else params.how
        dtype = None if params.dtype == "auto" else params.dtype
        sources = load_weighted(inputs.loras)
        with job.progress("merge") as progress:
            report = merge(
                sources,
                inputs.output,
                how=how,
                rule=rule,
                dtype=dtype,
                allow_mismatch=params.allow_mismatch,
                progress=progress,
            )
        return Report(text=text_lines(report), data=report.to_json(), files=report.files)
