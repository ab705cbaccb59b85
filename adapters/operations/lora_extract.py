"""Extract a LoRA from two checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about, between
from ...core.report_text import text_lines
from ._fields import DEFAULT_RANK, MAX_RANK, RANK, Cumulative, DType, Frobenius, Ratio, rank_rule


class ExtractInputs(Inputs, frozen=True):
    """Two checkpoints: files, or models that a host has loaded."""

    tuned: Annotated[Any, slot("checkpoint", "What the base is to become", live=True)]
    base: Annotated[Any, slot("checkpoint", "What the LoRA will be used with", live=True)]
    output: Annotated[Path, target("lora", "New LoRA, a .safetensors file")]


class ExtractParams(Params, frozen=True):
    """Ranks, and what is left out."""

    rank: Annotated[int, between(0, MAX_RANK, f"{RANK}; 0: {DEFAULT_RANK}, or as many as the share asks for")] = 0
    conv_rank: Annotated[int, between(0, MAX_RANK, "Ranks of 3x3 kernels; 0 leaves them out")] = 0
    dtype: Annotated[DType, about("dtype of the new file")] = "float16"
    frobenius: Frobenius = 0.0
    cumulative: Cumulative = 0.0
    ratio: Ratio = 0.0
    clamp: Annotated[
        float, between(0, 1, "Clamp factors at this quantile, 0.5 to 1, as kohya does; 0: off", step=0.01)
    ] = 0.0
    text_encoder: Annotated[bool, about("Extract from text encoders too")] = True
    allow_mismatch: Annotated[bool, about("Go on with two different base models, with what is alike in both")] = False


class LoraExtract(Operation[ExtractInputs, ExtractParams]):
    """Write the LoRA that turns the checkpoint BASE into TUNED as nearly as its rank allows.

    In a host with loaded models, patches on both count.
    """

    spec = Spec(
        id="lora.extract",
        title="Extract LoRA from two models",
        added=("frobenius", "cumulative", "ratio", "clamp", "text_encoder", "allow_mismatch"),
    )

    def run(self, inputs: ExtractInputs, params: ExtractParams, job: Job) -> Report:
        """Decompose the differences. Raises BadWeights, BadParameter, WriteFailed."""
        from ..tools.extract import Extraction, extract, extract_between
        from ..tools.svd import RankRule

        rule = rank_rule(params.rank, params.ratio, params.cumulative, params.frobenius)
        how = Extraction(
            rule=rule or RankRule(DEFAULT_RANK),
            conv=RankRule(params.conv_rank) if params.conv_rank else None,
            clamp=params.clamp or None,
            encoders=params.text_encoder,
            dtype=params.dtype,
            allow_mismatch=params.allow_mismatch,
        )
        run: Any = extract if isinstance(inputs.tuned, Path) else extract_between
        with job.progress("extract") as progress:
            report = run(inputs.tuned, inputs.base, inputs.output, how, progress=progress)
        return Report(text=text_lines(report), data=report.to_json(), files=report.files)
