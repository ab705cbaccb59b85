"""Score the reference model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params, about, between, items


class ScoreInputs(Inputs, frozen=True):
    """The model."""

    weights: Annotated[
        Path | None,
        slot("file", "Folder of weights that reference train exported; none: those of the package", optional=True),
    ] = None


class ScoreParams(Params, frozen=True):
    """On what, and how the pictures are drawn."""

    scenes: Annotated[int, between(1, 10_000, "How many scenes are judged")] = 200
    kinds: Annotated[str, about("Controls, with commas; empty: all that are there")] = ""
    pairs: Annotated[str, about("Controls used together, such as canny+depth, with commas; empty: none")] = ""
    steps: Annotated[int, between(1, 1000, "Steps of a picture")] = 20
    guidance: Annotated[float, between(1, 30, "How strictly the prompt is followed", step=0.5)] = 3.0
    batch: Annotated[int, between(1, 1024, "Pictures at once")] = 8
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps")] = "auto"


class ReferenceScore(Operation[ScoreInputs, ScoreParams]):
    """Measure how far the reference model obeys, on scenes that it was not trained on.

    For each control: without it, with it, and the ceiling, which is what the measure says of the scenes themselves (of
    inpainting: of what the VAE makes of them). First with an empty prompt, so that all comes from the control; then
    with the scenes' captions, which say themselves where things stand. Edges by F1 of the annotator's maps, strokes
    of scribbles and classes by intersection over union, depth by root mean square error, poses by PCK@0.1, inpainting
    by the error outside the mask in levels; prompts by attribute. Gain: how many times better than without the control;
    of ceiling: ratio to it; skill: share of the way from without to the ceiling. Of two controls used together, what
    each keeps of its measure alone. A small judge network reads the pictures.
    """

    spec = Spec(id="reference.score", title="Score the reference model", hosts=("cli",))

    def run(self, inputs: ScoreInputs, params: ScoreParams, job: Job) -> Report:
        """Draw and measure. Raises BadParameter, BadWeights, WeightsMissing, MissingExtra, Cancelled."""
        from ...core.networks.placement import resolve_placement
        from ..models.reference_files import find_reference
        from ..reference.scoring.score import Scorer, Settings, count_pictures

        weights = inputs.weights or find_reference()
        if not weights.is_dir():
            what = "is no folder" if weights.exists() else "there is no such folder"
            raise BadParameter(what, where=str(weights), fix="name a folder that `reference train` exported")
        chosen = choose_kinds(weights, items(params.kinds, commas=True))
        pairs = read_pairs(items(params.pairs, commas=True), chosen, where=str(weights))
        if not (weights / "judge.safetensors").exists():
            what = "holds no judge.safetensors, which reads the pictures"
            raise BadParameter(what, where=str(weights), fix="train the step judge, then export")
        settings = Settings(
            weights=weights,
            kinds=chosen,
            pairs=pairs,
            scenes=params.scenes,
            steps=params.steps,
            guidance=params.guidance,
            batch=params.batch,
            device=resolve_placement(params.device).device,
        )
        with job.progress("score", count_pictures(settings), "pictures") as progress:
            data = Scorer(settings, progress).run()
        return Report(text=format_scores(data), data=data)


def choose_kinds(weights: Path, wanted: list[str]) -> list[str]:
    """The controls of a folder, or those that are wanted of them. Raises BadParameter for others."""
    folders = (path.name.removeprefix("controlnet_") for path in weights.glob("controlnet_*"))
    loras = (path.stem.removeprefix("control_lora_") for path in weights.glob("control_lora_*.safetensors"))
    there = sorted({*folders, *loras})
    if missing := sorted(set(wanted) - set(there)):
        what = f"has no control {', '.join(missing)}"
        raise BadParameter(what, where=str(weights), fix=f"choose among {', '.join(there) or 'none: train one first'}")
    return list(dict.fromkeys(wanted)) or there


def read_pairs(texts: list[str], kinds: list[str], *, where: str) -> list[tuple[str, str]]:
    """Pairs of controls, each of which is also judged alone. Raises BadParameter for others."""
    pairs: list[tuple[str, str]] = []
    for text in texts:
        first, _, second = text.partition("+")
        if first == second or {first, second} - set(kinds):
            what = f"{text!r} names no two of the controls that are judged"
            raise BadParameter(what, where=where, fix=f"write two of {', '.join(kinds)} as a+b")
        pairs.append((first, second))
    return list(dict.fromkeys(pairs))


def format_scores(data: dict[str, Any]) -> str:
    """As a table."""
    empty = _format_controls(data, "with an empty prompt")
    lines = [*empty, "", *_format_controls(data["with_captions"], "with captions")]
    lines.append("")
    lines += [
        f"prompt: {name:<8}{share:>6.2f} (judge on the scenes themselves {data['prompt_ceiling'][name]:.2f})"
        for name, share in data["prompt"].items()
    ]
    return "\n".join(lines)


def _format_controls(rows: dict[str, Any], title: str) -> list[str]:
    lines = [
        title,
        f"{'control':<10}{'measure':<9}{'off':>8}{'on':>8}{'ceiling':>9}{'gain':>7}{'of ceiling':>12}{'skill':>7}",
    ]
    for kind, row in rows["kinds"].items():
        values = f"{row['off']:>8.3f}{row['on']:>8.3f}{row['ceiling']:>9.3f}"
        lines.append(
            f"{kind:<10}{row['measure']:<9}{values}{row['gain']:>7.2f}{row['of_ceiling']:>12.2f}{row['skill']:>7.2f}"
        )
    for pair, both in rows["together"].items():
        shares = ", ".join(f"{kind} {row['on']:.3f} ({row['of_alone']:.2f} of alone)" for kind, row in both.items())
        lines.append(f"together {pair}: {shares}")
    return lines
