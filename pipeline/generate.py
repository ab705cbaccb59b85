"""Pictures from a prompt."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.errors import BadParameter
from ..core.imports import report_broken_imports
from ..core.similar_names import suggest_names
from .request import Hires, Request, Result

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from .runs.setting import Setting

    StrPath = str | os.PathLike[str]


def generate(
    prompt: str,
    negative: str = "",
    *,
    model_folders: Iterable[StrPath] = (),
    lora_folders: Iterable[StrPath] = (),
    embedding_folders: Iterable[StrPath] = (),
    device: str = "auto",
    dtype: str = "auto",
    backend: str = "torch",
    **fields: Any,
) -> list[Result]:
    """Generate pictures: ``generate("a red ball <lora:style:0.8>", seed=7, controls=[Control(...)], count=2)``.

    prompt, negative: as A1111 reads them, with LoRA tags, embeddings, weights, AND, BREAK and schedules. folders: of
    checkpoints, VAEs and ControlNets; of LoRAs; of embeddings. backend: torch or openvino. fields: of
    `pipeline.request.Request`: checkpoint, seed, steps, sampler, cfg, width, height, count, image, strength, mask,
    hires, controls and more; pictures are paths or uint8 [H, W, 3] arrays. Each result has pixels uint8 [H, W, 3], its
    seed, its infotext and its maps.

    Raises UnknownName, BadParameter, BadImage, BadWeights, UnsafeFile, WeightsMissing, MissingExtra.
    """
    with report_broken_imports("generate"):
        from .runs.setting import Setting

    setting = Setting(
        folders=tuple(map(Path, model_folders)),
        loras=tuple(map(Path, lora_folders)),
        embeddings=tuple(map(Path, embedding_folders)),
        device=device,
        dtype=dtype,
        backend=backend,
    )
    return list(generate_pictures(make_request(prompt=prompt, negative=negative, **fields), setting))


def make_request(**fields: Any) -> Request:
    """A request; lists stand for tuples, numpy's numbers for Python's, paths for their text, and a number for a second
    pass of that scale. Raises BadParameter for unknown fields and values of another type."""
    if unknown := sorted(set(fields) - set(Request.__struct_fields__)):
        fix = suggest_names(unknown[0], Request.__struct_fields__, "`help(underdrawing.pipeline.request.Request)`")
        raise BadParameter(f"unknown field {', '.join(unknown)}", where="generate", fix=fix)
    try:
        return msgspec.convert({name: _convert(name, value) for name, value in fields.items()}, Request)
    except msgspec.ValidationError as error:
        fix = "see pipeline.request.Request"
        raise BadParameter(f"a field makes no sense ({error})", where="generate", fix=fix) from error


def _convert(name: str, value: Any) -> Any:
    """What users give for a field, as the field has it; pictures stay as they are."""
    if name in ("image", "mask"):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)
    value = item() if callable(item) and not getattr(value, "shape", ()) else value
    if name == "hires" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return Hires(scale=value) if value else None
    return value


def generate_pictures(request: Request, setting: Setting | None = None) -> Generator[Result]:
    """Generate pictures one by one, so that those which are finished stay when the run is stopped.

    LoRAs are on the model only while a picture is computed. Raises as `generate`, and Cancelled through the host's
    progress.
    """
    with report_broken_imports("generate"):
        from .infotext.writing import write_infotext
        from .runs.facts import collect_facts
        from .runs.job import PictureJob
        from .runs.passes import Passes
        from .runs.seeds import list_seeds
        from .runs.setting import Setting
        from .runs.threads import limit_threads
        from .runs.watching import Watcher

    job = PictureJob(request, setting or Setting())
    seeds = list_seeds(job.request)
    with job.setting.host.progress("generate", 0, "steps") as progress:
        watcher = Watcher(job, progress)
        with limit_threads(job.model):
            passes = Passes(job, watcher.watch)
        watcher.total = passes.steps * len(seeds)
        for seed in seeds:
            start = time.perf_counter()
            with limit_threads(job.model), job.loras:
                pixels = passes.draw(seed)
            own = msgspec.structs.replace(job.request, seed=seed.seed, subseed=seed.subseed, count=1)
            facts = collect_facts(job, seed, passes.controls)
            yield Result(
                pixels=pixels,
                seed=seed.seed,
                subseed=seed.subseed,
                infotext=write_infotext(own, facts),
                maps=tuple(control.pixels for control in passes.controls),
                request=own,
                loras=tuple(job.loras.receipt.to_json()),
                notes=tuple(job.notes),
                seconds=time.perf_counter() - start,
            )
