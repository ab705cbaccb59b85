"""Annotate data sets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ...core.dataset.options import KEY, DatasetLayout, FilterParams, Format, OnError
from ...core.errors import BadParameter
from ...core.networks.placement import Backend, DType
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import about, between
from ...core.report_text import count
from ...core.tiling.options import Overlap, Tile, choose_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.dataset.job import Job as DatasetJob
    from ...core.dataset.rows import Shard
    from ...core.dataset.run_job import Plan

Engine = Literal["local", "ray"]
SOURCE = "Folder or quoted glob of pictures, or of webdataset tars, parquet or lance files"
PARAMETER = "Parameter of an annotator, as canny.low_threshold=50; also written as --canny.low_threshold 50"
LAYOUT = (
    "Maps under the rows' keys (sidecar), a folder for each annotator (plain; folders only), or picture, map and "
    "caption (diffusers)"
)
ON_ERROR = (
    "A row that cannot be annotated is left out and listed (skip), written without maps (keep), or the end (stop)"
)
OUTSIDE = "Read pictures that a table names outside of its own folder; only for tables that you trust"
STALL = "Seconds without a finished row after which a worker is replaced and its shard begun anew"


class AnnotateInputs(Inputs, frozen=True):
    """A data set, and where its maps go."""

    source: Annotated[str, slot("text", SOURCE)]
    output: Annotated[Path, target("pictures", "Folder for the maps and the record of the run", suffix="")]


class AnnotateParams(FilterParams, frozen=True):
    """What is made of which rows, how it is stored, and how it runs."""

    annotators: Annotated[str, about("Annotators, with commas")] = ""
    parameter: Annotated[str, about(PARAMETER, many=True)] = ""
    image: Annotated[str, about("Field or column with the picture, or several in order. Empty: the usual ones")] = ""
    key: Annotated[str, about("Field or column that names the row")] = KEY
    text: Annotated[str, about("Field or column with the caption. Empty: the usual ones")] = ""
    allow_outside: Annotated[bool, about(OUTSIDE)] = False
    resolution: Annotated[int, between(0, 10**6, "Shorter side of the maps in pixels; 0: as the pictures", step=8)] = 0
    tile: Tile = 0
    overlap: Overlap = 64
    format: Annotated[Format, about("How maps are stored")] = "folder"
    layout: Annotated[DatasetLayout, about(LAYOUT)] = "sidecar"
    on_error: Annotated[OnError, about(ON_ERROR)] = "skip"
    seed: Annotated[int, between(0, 2**63 - 1, "Seed of random parameters")] = 0
    shard_size: Annotated[int, between(1, 10**6, "Pictures of a folder in one shard", step=100)] = 1000
    engine: Annotated[Engine, about("What runs the shards")] = "local"
    ray_address: Annotated[str, about("Address of a Ray cluster. Empty: an instance of its own on this machine")] = ""
    workers: Annotated[int, between(0, 10**4, "Processes; 0: as CPUs and memory allow")] = 0
    stall_timeout: Annotated[int, between(1, 10**6, STALL)] = 900
    dry_run: Annotated[bool, about("Say what would be done, and do nothing")] = False
    log_json: Annotated[bool, about("Report every shard as a line of JSON")] = False
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    dtype: Annotated[DType, about("dtype of networks")] = "auto"
    backend: Annotated[Backend, about("Inference backend")] = "torch"


class DatasetAnnotate(Operation[AnnotateInputs, AnnotateParams]):
    """Annotate data sets of any size: shards in, shards out, and every row once, whatever is killed on the way.

    Shards are the input's files; a folder of pictures is cut into shards by sorted names. Each is committed as a whole,
    under its input's name, and the same command once more does only what is missing. Other settings into the same
    folder are refused. Parameters may be drawn for each row: --canny.low_threshold "uniform(30,120)", "randint(1,5)",
    "choice(a,b)"; what was drawn is recorded, and depends on --seed and the row's key only. Filters (--min-...) are
    applied before a row is written, and counted by reason. Ctrl-C finishes the shards at hand.
    """

    spec = Spec(id="dataset.annotate", title="Annotate a data set", hosts=("cli",))

    def run(self, inputs: AnnotateInputs, params: AnnotateParams, job: Job) -> Report:
        """Annotate what is missing. Raises BadParameter, UnknownName, MissingExtra, WeightsMissing, WriteFailed."""
        from ...core.dataset.job_summary import describe_columns, summarise_job
        from ...core.dataset.manifest import Manifest
        from ...core.dataset.run_job import check_apart, plan_shards, write_captions
        from ...core.dataset.shards import describe_passed, list_shards
        from ...core.dataset.source_columns import check_columns
        from ..batches.dataset_use import check_use, drop_unused

        check_apart(inputs.source, inputs.output)
        task = plan_job(inputs, params)
        shards = list_shards(inputs.source, size=params.shard_size)
        notes = (*describe_passed(inputs.source), *check_use(task, params, job.given, shards), *describe_columns(task))
        check_columns(shards, params.image, params.key)
        task = drop_unused(task, shards)
        manifest = Manifest(inputs.output)
        if params.dry_run:
            manifest.check_settings(task)
            return _describe_plan(task, shards, plan_shards(manifest, shards), params, notes)
        with manifest.hold(task, shards):
            plan = plan_shards(manifest, shards)
            failures = _run(task, plan, params, job)
            files = write_captions(task, manifest)
        found = summarise_job(manifest, shards, plan, failures)
        return Report(
            text=found.text,
            data=found.data,
            files=tuple(files),
            notes=notes,
            complete=found.whole,
        )


def plan_job(inputs: AnnotateInputs, params: AnnotateParams) -> DatasetJob:
    """The job that these inputs and parameters ask for. Raises BadParameter, UnknownName."""
    from ...core.dataset.job import Job as DatasetJob
    from ..batches.dataset_job import plan_annotators

    if params.layout == "plain" and params.format != "folder":
        raise BadParameter("--layout plain is for --format folder", fix="use --layout sidecar, or --format folder")
    choose_tiles(params.tile, params.overlap)
    filters = FilterParams(**{name: getattr(params, name) for name in FilterParams.__struct_fields__})
    shared: dict[str, Any] = {
        name: getattr(params, name) for name in DatasetJob.__struct_fields__ if hasattr(params, name)
    }
    shared["annotators"] = plan_annotators(params.annotators, params.parameter, filters)
    return DatasetJob(
        **shared,
        source=inputs.source,
        destination=str(inputs.output),
        filters=filters,
    )


def _describe_plan(
    task: DatasetJob, shards: Sequence[Shard], plan: Plan, params: AnnotateParams, notes: tuple[str, ...]
) -> Report:
    from ...core.dataset.run_job import count_workers
    from ..batches.dataset_job import measure_weights

    missing = plan.missing
    rows = sum(len(shard.names) for shard in missing)
    workers = min(count_workers(params.workers, measure_weights(task.annotators)), max(1, len(missing)))
    data: dict[str, Any] = {"shards": len(shards), "missing": len(missing), "workers": workers, **task.settings()}
    shown = f", {count(rows, 'picture')}" if rows else ""
    lines = [f"{len(missing)} of {count(len(shards), 'shard')} to do{shown}"]
    lines += [f"  shard {name} again: {why}" for name, why in plan.again.items()]
    for one in task.annotators:
        drawn = {name: str(value) for name, value in one.random.items()}
        values = ", ".join(f"{name} {value}" for name, value in {**one.params, **drawn}.items())
        lines.append(f"{one.name}: {values or 'no parameters'}")
    lines.append(f"{count(workers, 'worker')}; {task.format}, layout {task.layout}; nothing was written")
    return Report(text="\n".join(lines), data=data, notes=notes)


def _run(task: DatasetJob, plan: Plan, params: AnnotateParams, job: Job) -> dict[str, str]:
    """Run what is missing; returns shards that were given up with their reasons."""
    from ...core.dataset.engines import local, ray
    from ...core.dataset.job_events import JobEvents, count_rows
    from ...core.dataset.manifest import Manifest
    from ...core.dataset.run_job import count_workers
    from ..batches.dataset_job import measure_weights
    from ..batches.dataset_worker import work_on_shard

    missing = plan.missing
    rows = count_rows(missing)
    with job.progress("annotate", rows or len(missing), "pictures" if rows else "shards") as progress:
        events = JobEvents(progress, Manifest(Path(task.destination)), missing, log_json=params.log_json)
        for name, why in plan.again.items() if not params.log_json else ():
            progress.log(f"shard {name} is annotated again: {why}")
        workers = count_workers(params.workers, measure_weights(task.annotators))
        kind = partial(ray.RayEngine, address=params.ray_address) if params.engine == "ray" else local.LocalEngine
        engine = kind(task, missing, work_on_shard, workers, events, patience=params.stall_timeout)
        if missing:
            engine.run()
    return events.failures
