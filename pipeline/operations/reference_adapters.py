"""Score adapters of the reference model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params, about, between


class AdapterInputs(Inputs, frozen=True):
    """The adapters."""

    folder: Annotated[
        Path | None,
        slot("file", "Folder with loras/ and embeddings/; none: those of the package", optional=True),
    ] = None


class AdapterParams(Params, frozen=True):
    """On what, and how the pictures are drawn."""

    scenes: Annotated[int, between(1, 10_000, "How many scenes are judged")] = 24
    fitted: Annotated[int, between(8, 10_000, "How many scenes the readers of style and guest are fitted on")] = 48
    steps: Annotated[int, between(1, 1000, "Steps of a picture")] = 12
    guidance: Annotated[float, between(1, 30, "How strictly the prompt is followed", step=0.5)] = 3.0
    negative_steps: Annotated[int, between(1, 1000, "Steps of a picture with the negative word")] = 6
    negative_guidance: Annotated[float, between(1, 30, "How strictly the prompt is followed with it", step=0.5)] = 7.0
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps")] = "auto"


class ReferenceAdapters(Operation[AdapterInputs, AdapterParams]):
    """Measure what LoRAs and embeddings of the reference model do, on scenes that were not trained on.

    A style LoRA and a LoRA that brings a guest, at strengths 0, 0.5 and 1, and both together; the same picture again
    after they were taken off; a word alone; attributes of prompts with and without a negative word, at few steps and
    strong guidance, where the model errs. Styles and guests are read by linear classifiers on what the judge sees,
    which are fitted first; reader says how well they do.
    """

    spec = Spec(id="reference.adapters", title="Score adapters of the reference model", hosts=("cli",))

    def run(self, inputs: AdapterInputs, params: AdapterParams, job: Job) -> Report:
        """Draw and measure. Raises BadParameter, BadWeights, WeightsMissing, MissingExtra, Cancelled."""
        from ..models.reference_files import ADAPTERS, find_reference
        from ..reference.scoring.adapters import AdapterScorer, AdapterSettings

        folder = inputs.folder or ADAPTERS
        if not any(folder.glob("*/*.safetensors")):
            what = "holds no loras/NAME.safetensors and no embeddings/NAME.safetensors"
            raise BadParameter(what, where=str(folder), fix="train some, see docs/training.md")
        settings = AdapterSettings(
            weights=find_reference(),
            folder=folder,
            scenes=params.scenes,
            fitted=params.fitted,
            steps=params.steps,
            cfg=params.guidance,
            negative_steps=params.negative_steps,
            negative_cfg=params.negative_guidance,
            device=params.device,
        )
        with job.progress("score", 0, "pictures") as progress:
            data = AdapterScorer(settings, progress).run()
        return Report(text="\n".join(format_scores(data)), data=data)


def format_scores(data: dict[str, Any]) -> list[str]:
    """As lines."""
    lines = [f"{data['scenes']} scenes; readers are right on {_list(data['reader'])} of true scenes"]
    for name in ("style", "guest"):
        for strength, row in data.get(name, {}).get("strengths", {}).items():
            lines.append(f"{name} LoRA at {strength}: {_list(row)}")
    if "style" in data:
        lines.append(f"taken off, the picture is {'the same' if data['style']['removed'] else 'ANOTHER'} byte for byte")
        lines.append(f"kinds with the style LoRA: {_list(data['style']['kinds'])}")
    for part, row in data.get("together", {}).items():
        lines.append(f"both LoRAs, {part}: {_list(row)}")
    if "word" in data:
        lines.append(f"word alone: {_list(data['word'])}")
    for name, row in data.get("negative", {}).items():
        lines.append(f"negative word {name}: {_list(row)}")
    return lines


def _list(row: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in row.items())
