"""Generate pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ...core.errors import BadParameter, UnderdrawingError
from ...core.files import atomic_write
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about, between

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..request import Pixels, Request

CONTROL = "KIND=IMAGE or KIND:weight=0.8,start=0,end=0.7=IMAGE; KIND is an annotator, or map for a ready map"

SETTING = "A1111's setting as its infotexts name it, such as Tiling=True or Emphasis=No norm"
Upscaler = Literal[
    "latent",
    "latent-antialiased",
    "latent-bicubic",
    "latent-bicubic-antialiased",
    "latent-nearest",
    "latent-nearest-exact",
    "lanczos",
    "nearest",
    "none",
]


class GenerateInputs(Inputs, frozen=True, kw_only=True):
    """The prompt, and where to."""

    prompt: Annotated[str | None, slot("text", "What the picture shows, with LoRA tags and weights", optional=True)] = (
        None
    )
    output: Annotated[Path, target("pictures", "Folder for the pictures; created if missing", suffix="")]


class GenerateParams(Params, frozen=True):
    """Everything else."""

    negative: Annotated[str, about("What the picture does not show")] = ""
    checkpoint: Annotated[str, about("Name or file of the model; empty: the small reference model")] = ""
    vae: Annotated[str, about("Name or file of a VAE; empty: that of the model")] = ""
    control: Annotated[str, about(CONTROL, many=True)] = ""
    image: Annotated[str, about("Picture to start from")] = ""
    strength: Annotated[float, between(0, 1, "How much of that picture is changed", step=0.05)] = 0.75
    mask: Annotated[str, about("Mask of that picture: white is painted anew")] = ""
    mask_blur: Annotated[float, between(0, 256, "Softness of the mask's edge in pixels")] = 4.0
    mask_content: Annotated[
        Literal["original", "fill", "noise", "nothing"],
        about("What is under the mask at first, as A1111's masked content"),
    ] = "original"
    mask_invert: Annotated[bool, about("Paint anew what is black in the mask")] = False
    mask_area: Annotated[
        Literal["whole", "masked"], about("Paint the whole picture, or only what is masked, at the size asked for")
    ] = "whole"
    mask_padding: Annotated[int, between(0, 16384, "Pixels around what is masked, with --mask-area masked")] = 32
    fit: Annotated[Literal["crop", "just", "fill"], about("How that picture is brought to size")] = "crop"
    seed: Annotated[int, between(-1, 2**63 - 1, "Seed of the first picture, the next ones count up; -1: random")] = -1
    subseed: Annotated[int, between(-1, 2**63 - 1, "Seed of a variation; -1: random")] = -1
    subseed_strength: Annotated[float, between(0, 1, "Strength of the variation", step=0.05)] = 0.0
    count: Annotated[int, between(1, 10_000, "How many pictures")] = 1
    steps: Annotated[int, between(1, 1000, "Steps of a picture")] = 20
    sampler: Annotated[str, about("Sampler, as A1111 or ComfyUI call it")] = "DPM++ 2M"
    scheduler: Annotated[str, about("Schedule; empty: the sampler's own")] = ""
    eta: Annotated[
        float,
        between(-1, 10, "Share of new noise in a step, of ancestral, SDE and DDIM samplers; -1: the sampler's own"),
    ] = -1.0
    s_churn: Annotated[float, between(0, 1000, "A1111's sigma churn: noise that Euler, Heun and DPM2 add")] = 0.0
    s_tmin: Annotated[float, between(0, 10_000, "Lowest sigma at which they do")] = 0.0
    s_tmax: Annotated[float, between(0, 10_000, "Highest sigma at which they do; 0: no bound")] = 0.0
    s_noise: Annotated[float, between(0, 10, "A1111's sigma noise: factor on that noise and on new noise")] = 1.0
    cfg: Annotated[float, between(0, 100, "How strictly the prompt is followed; 0: as the model likes", step=0.5)] = 0.0
    clip_skip: Annotated[int, between(1, 12, "Layer of SD1's text encoder, from the end")] = 1
    width: Annotated[
        int, between(0, 16384, "Width in pixels; 0: the picture's to start from, or the model's", step=8)
    ] = 0
    height: Annotated[int, between(0, 16384, "Height in pixels; 0 likewise", step=8)] = 0
    hires: Annotated[float, between(0, 8, "Scale of a second pass on the enlarged picture; 0: none", step=0.25)] = 0.0
    hires_width: Annotated[
        int, between(0, 16384, "Width of its result in place of a scale; 0: what keeps the aspect", step=8)
    ] = 0
    hires_height: Annotated[int, between(0, 16384, "Height likewise; with both the sides are cut off", step=8)] = 0
    hires_steps: Annotated[int, between(0, 1000, "Steps of the second pass; 0: as many")] = 0
    hires_strength: Annotated[float, between(0, 1, "How much the second pass changes", step=0.05)] = 0.7
    hires_upscaler: Annotated[Upscaler, about("How it is enlarged")] = "latent"
    hires_sampler: Annotated[str, about("Its sampler; empty: that of the first")] = ""
    hires_scheduler: Annotated[str, about("Its schedule; empty: that of the first")] = ""
    hires_prompt: Annotated[str, about("Its prompt; empty: that of the first")] = ""
    hires_negative: Annotated[str, about("What it does not show; empty: that of the first")] = ""
    noise: Annotated[Literal["cpu", "nv"], about("Where noise comes from: the CPU's generator, or as NVIDIA's")] = "cpu"
    noise_seed_delta: Annotated[int, between(0, 2**32 - 1, "A1111's ENSD")] = 0
    weighting: Annotated[Literal["a1111", "comfyui"], about("Whose reading of prompts and weights")] = "a1111"
    setting: Annotated[str, about(SETTING, many=True)] = ""
    from_png: Annotated[str, about("Picture to repeat by what its file says; what is given besides counts instead")] = (
        ""
    )
    lora_dir: Annotated[str, about("Folder of LoRA files", many=True)] = ""
    embedding_dir: Annotated[str, about("Folder of embedding files", many=True)] = ""
    controlnet_dir: Annotated[str, about("Folder of ControlNet files", many=True)] = ""
    checkpoint_dir: Annotated[str, about("Folder of checkpoint files", many=True)] = ""
    maps: Annotated[bool, about("Write the controls' maps too")] = False
    preview_every: Annotated[int, between(0, 1000, "Write preview.png after so many steps; 0: never")] = 0
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    dtype: Annotated[str, about("auto, float32, bfloat16 or float16")] = "auto"
    backend: Annotated[Literal["torch", "openvino"], about("Inference backend")] = "torch"


class Generate(Operation[GenerateInputs, GenerateParams]):
    """Generate pictures from a prompt, with controls, LoRAs, embeddings, a picture to start from, or a mask.

    Prompts are read as A1111 reads them: weights, AND, BREAK, schedules over the steps, <lora:NAME:STRENGTH> with
    start=, stop= and lbw=, names of embeddings. A control is made of a photograph by its annotator, and its ControlNet
    is found by the annotator's name among the ControlNets that are there. Pictures are written as NUMBER-SEED.png with
    the infotext of A1111, nothing is replaced, and what is finished stays when the run is stopped. Needs the extra
    pipeline.
    """

    spec = Spec(id="generate", title="Generate pictures", hosts=("cli",))

    @classmethod
    def details(cls) -> dict[str, tuple[tuple[str, str], ...]]:
        """Samplers and schedules by A1111's label and ComfyUI's names."""
        from ..sampling.names import SAMPLERS, SCHEDULERS

        samplers = tuple((entry.label, ", ".join(entry.comfyui) or "A1111 only") for entry in SAMPLERS)
        return {"Samplers": samplers, "Schedules": tuple((entry.label, entry.id) for entry in SCHEDULERS)}

    def run(self, inputs: GenerateInputs, params: GenerateParams, job: Job) -> Report:
        """Generate and write. Raises every error of the pipeline; finished pictures stay."""
        from ..generate import generate_pictures
        from ..runs.files import check_output, number_picture
        from ..runs.output import compare_files, describe_picture, report_stop, write_picture
        from ..runs.setting import Setting

        request, notes = build_request(inputs.prompt, params, job.given)
        check_output(inputs.output)
        for note in notes:
            job.host.note(note)
        setting = Setting(
            host=job.host,
            folders=list_folders(params.checkpoint_dir, params.controlnet_dir),
            loras=list_folders(params.lora_dir),
            embeddings=list_folders(params.embedding_dir),
            preview=_make_preview(inputs.output) if params.preview_every else None,
            preview_every=params.preview_every,
            device=params.device,
            dtype=params.dtype,
            backend=params.backend,
        )
        rows, taken = list[dict[str, Any]](), list(notes)
        try:
            for result in generate_pictures(request, setting):
                rows.append(describe_picture(result, number_picture(inputs.output, result.seed), maps=params.maps))
                write_picture(result, rows[-1])
                found = (*result.notes, *compare_files(params.from_png, result, job.host, first=len(rows) == 1))
                taken += [note for note in found if note not in taken]
        except (UnderdrawingError, KeyboardInterrupt) as error:
            report_stop(rows, request.count, taken, error, job.host)
            raise
        data = {"pictures": rows, "notes": taken}
        lines = [f"{row['file']}  seed {row['seed']}, {row['seconds']:.1f} s" for row in rows]
        files = tuple(Path(file) for row in rows for file in (row["file"], *row["maps"]))
        return Report(text="\n".join(lines), data=data, files=files)


def build_request(
    prompt: str | None, params: GenerateParams, given: Collection[str] = ()
) -> tuple[Request, tuple[str, ...]]:
    """What is asked for, and notes about what was read from a picture. Raises BadParameter, BadImage, UnknownName.

    given: names of parameters that count although they have their usual values. Of a picture to repeat, what is given
    counts instead of what its file says.
    """
    from ..runs import options

    usual = GenerateParams()
    values = {name: getattr(params, name) for name in params.__struct_fields__}
    counting = {name: value for name, value in values.items() if name in given or value != getattr(usual, name)}
    return options.build_request(prompt, counting, Path(params.from_png) if params.from_png else None)


def list_folders(*texts: str) -> tuple[Path, ...]:
    """Folders that are named, one a line. Raises BadParameter for one that is not there."""
    from ..runs.options import split_lines

    folders = [Path(line) for text in texts for line in split_lines(text)]
    for folder in folders:
        if not folder.is_dir():
            raise BadParameter("is no folder", where=str(folder), fix="check the name")
    return tuple(folders)


def _make_preview(folder: Path) -> Callable[[Pixels], None]:
    from ...core.images.writing import encode_png

    def write(pixels: Pixels) -> None:
        atomic_write(folder / "preview.png", encode_png(pixels, {}))

    return write
