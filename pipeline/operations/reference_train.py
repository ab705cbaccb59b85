"""Train the reference model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ...core.operation import Inputs, Job, Operation, Report, Spec, target
from ...core.params import Params, about, between

if TYPE_CHECKING:
    from ..reference.training.parts import Settings

Step = Literal[
    "all",
    "scenes",
    "judge",
    "vae",
    "latents",
    "text",
    "base",
    "control_canny",
    "control_depth",
    "control_seg",
    "control_pose",
    "control_softedge",
    "control_lines",
    "control_scribble",
    "reader_inpaint",
    "control_inpaint",
    "export",
]
SHARES = {"judge": 0.05, "vae": 0.2, "text": 0.05, "base": 0.34, "reader_inpaint": 0.01}
"""Of the minutes of a whole run; the rest is divided among the ControlNets."""


class TrainInputs(Inputs, frozen=True):
    """Where the run is."""

    output: Annotated[Path, target("weights", "Folder of the run, which goes on where it was", suffix="", last=True)]


class TrainParams(Params, frozen=True):
    """What is trained, for how long, on what."""

    step: Annotated[Step, about("What is done; all: everything in order")] = "all"
    minutes: Annotated[float, between(0.01, 100_000, "Minutes of training, earlier runs included", step=1)] = 60.0
    scenes: Annotated[int, between(4, 1_000_000, "How many scenes are rendered", step=100)] = 8000
    workers: Annotated[int, between(1, 64, "Processes; on a CPU each has one thread")] = 1
    batch: Annotated[int, between(0, 4096, "Samples of a step and process; 0: as the device takes")] = 0
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    start: Annotated[str, about("Folder of weights to start from; empty: from nothing")] = ""


class ReferenceTrain(Operation[TrainInputs, TrainParams]):
    """Train the reference model, or one part of it, in a folder that holds all that is needed to go on later.

    Steps build on each other: scenes are rendered, a judge learns to read them for scores, the VAE learns to keep them,
    latents are made of them, the text encoder learns captions, the UNet learns latents, ControlNets learn to steer it,
    and export writes the folder weights: diffusers' folders and Control-LoRAs. Training can be stopped at any time; the
    same command goes on. With all, the minutes are shared out. Needs the extra pipeline.
    """

    spec = Spec(id="reference.train", title="Train the reference model", hosts=("cli",))

    def run(self, inputs: TrainInputs, params: TrainParams, job: Job) -> Report:
        """Do one step or all. Raises BadParameter, MissingExtra, Cancelled."""
        from ...core.networks.placement import resolve_placement
        from ..reference.training.crew import run_together
        from ..reference.training.parts import STEPS, Settings

        chosen = STEPS if params.step == "all" else (params.step,)
        inputs.output.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        measures: dict[str, dict[str, float]] = {}
        for step in chosen:
            settings = Settings(
                folder=inputs.output,
                minutes=params.minutes * (share_minutes(step) if params.step == "all" else 1),
                scenes=params.scenes,
                batch=params.batch,
                placement=resolve_placement(params.device, bf16=True),
                start=Path(params.start) if params.start else None,
                workers=params.workers,
            )
            if params.step == "all" and is_complete(step, settings):
                continue
            with job.progress(step, 0, "") as progress:
                state = run_together(step, settings, progress)
            if state is not None:
                measures[step] = {"steps": state.steps, "samples": state.samples, **state.measures}
            found = ", ".join(f"{name} {value:.4g}" for name, value in measures.get(step, {}).items())
            lines.append(f"{step}: {found or 'done'}")
        return Report(text="\n".join(lines), data=measures)


def share_minutes(step: str) -> float:
    """Share of a whole run's minutes."""
    return SHARES.get(step, (1 - sum(SHARES.values())) / 8)


def is_complete(step: str, settings: Settings) -> bool:
    """Whether a step needs nothing more. Scenes are counted again each time, which is quick."""
    from ..reference.training.loop import read_state
    from ..reference.training.parts import find_file

    path = find_file(settings.folder, step)
    if step in ("scenes", "latents", "export"):
        return step == "latents" and path.exists()
    return path.exists() and read_state(path).seconds / 60 >= settings.minutes
