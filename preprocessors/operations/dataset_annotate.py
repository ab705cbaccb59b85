"""Annotate data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ...core.dataset.options import KEY, DatasetLayout, FilterParams, Format, OnError
from ...core.errors import BadParameter
from ...core.networks.placement import Backend, DType
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import about, between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.dataset.job import Job as DatasetJob
    from ...core.dataset.job_events import JobEvents
    from ...core.dataset.manifest import Manifest
    from ...core.dataset.rows import Shard

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
MOST_LINES = 20
"""Refused rows that are printed."""


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
    resolution: Annotated[int, between(0, 10**6, "Shorter side of the maps in pixels; 0: as the pictures", step=8)] = 0
    format: Annotated[Format, about("How maps are stored")] = "folder"
    layout: Annotated[DatasetLayout, about(LAYOUT)] = "sidecar"
    on_error: Annotated[OnError, about(ON_ERROR)] = "skip"
    seed: Annotated[int, between(0, 2**63 - 1, "Seed of random parameters")] = 0
    shard_size: Annotated[int, between(1, 10**6, "Pictures of a folder in one shard", step=100)] = 1000
    engine: Annotated[Engine, about("What runs the shards")] = "local"
    ray_address: Annotated[str, about("Address of a Ray cluster. Empty: an instance of its own on this machine")] = ""
    workers: Annotated[int, between(0, 10**4, "Processes; 0: as CPUs and memory allow")] = 0
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
        from ...core.dataset.manifest import Manifest
        from ...core.dataset.run_job import check_apart, list_missing, write_captions
        from ...core.dataset.shards import list_shards

        check_apart(inputs.source, inputs.output)
        task = plan_job(inputs, params)
        shards = list_shards(inputs.source, size=params.shard_size)
        manifest = Manifest(inputs.output)
        if params.dry_run:
            manifest.check_settings(task)
            return _describe_plan(task, shards, list_missing(manifest, shards), params)
        with manifest.hold(task, shards):
            events = _run(task, shards, list_missing(manifest, shards), params, job)
            files = write_captions(task, manifest)
        return _report(manifest, shards, events, tuple(files))


def plan_job(inputs: AnnotateInputs, params: AnnotateParams) -> DatasetJob:
    """The job that these inputs and parameters ask for. Raises BadParameter, UnknownName."""
    from ...core.dataset.job import Job as DatasetJob
    from ..batches.dataset_job import plan_annotators

    if params.layout == "plain" and params.format != "folder":
        raise BadParameter("--layout plain is for --format folder", fix="use --layout sidecar, or --format folder")
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
    task: DatasetJob, shards: Sequence[Shard], missing: Sequence[Shard], params: AnnotateParams
) -> Report:
    from ...core.dataset.run_job import count_workers
    from ..batches.dataset_job import measure_weights

    rows = sum(len(shard.names) for shard in missing)
    workers = min(count_workers(params.workers, measure_weights(task.annotators)), max(1, len(missing)))
    data: dict[str, Any] = {"shards": len(shards), "missing": len(missing), "workers": workers, **task.settings()}
    lines = [f"{len(missing)} of {len(shards)} shards are to be done{f', {rows} pictures' if rows else ''}"]
    for one in task.annotators:
        drawn = {name: str(value) for name, value in one.random.items()}
        values = ", ".join(f"{name} {value}" for name, value in {**one.params, **drawn}.items())
        lines.append(f"{one.name}: {values or 'no parameters'}")
    lines.append(f"{workers} workers; {task.format}, layout {task.layout}; nothing was written")
    return Report(text="\n".join(lines), data=data)


def _run(
    task: DatasetJob, shards: Sequence[Shard], missing: Sequence[Shard], params: AnnotateParams, job: Job
) -> JobEvents:
    from ...core.dataset.engines import local, ray
    from ...core.dataset.job_events import JobEvents, count_rows
    from ...core.dataset.manifest import Manifest
    from ...core.dataset.run_job import count_workers
    from ..batches.dataset_job import measure_weights
    from ..batches.dataset_worker import work_on_shard

    rows = count_rows(missing)
    with job.progress("annotate", rows or len(missing), "pictures" if rows else "shards") as progress:
        events = JobEvents(progress, Manifest(Path(task.destination)), missing, log_json=params.log_json)
        workers = count_workers(params.workers, measure_weights(task.annotators))
        given = (task, missing, work_on_shard, workers, events)
        engine = ray.RayEngine(*given, params.ray_address) if params.engine == "ray" else local.LocalEngine(*given)
        if missing:
            engine.run()
    return events


def _report(manifest: Manifest, shards: Sequence[Shard], events: JobEvents, files: tuple[Path, ...]) -> Report:
    from collections import Counter

    from ...core.dataset.run_shard import FILTERS

    names = {shard.name for shard in shards}
    reports = {name: report for name, report in manifest.list_reports().items() if name in names}
    refused = [(name, *one) for name, report in reports.items() for one in report.refused]
    kinds = Counter(kind for _, _, kind, _ in refused)
    data: dict[str, Any] = {
        "shards": len(names),
        "done": len(reports),
        "rows": sum(report.rows for report in reports.values()),
        "written": sum(report.written for report in reports.values()),
        "refused": dict(sorted(kinds.items())),
        "failed": events.failures,
    }
    lines = [f"{data['done']} of {data['shards']} shards, {data['rows']} rows, {data['written']} with maps"]
    lines += [f"  refused for {kind}: {count}" for kind, count in kinds.most_common()]
    refused.sort(key=lambda one: one[2] in FILTERS)  # what is damaged stands first
    lines += [f"  shard {shard}, {key}: {reason}" for shard, key, _, reason in refused[:MOST_LINES]]
    if len(refused) > MOST_LINES:
        lines.append(f"  and {len(refused) - MOST_LINES} more, in {manifest.folder}/shards")
    lines += [f"  shard {name} is given up: {reason}" for name, reason in events.failures.items()]
    bare = sum(report.without_caption for report in reports.values())
    if bare:
        lines.append(f"{bare} of {data['written']} pictures have no caption: their text is empty")
    missing = len(names) - len(reports)
    if missing:
        lines.append(f"{missing} shards are missing: the same command once more goes on from here")
    return Report(text="\n".join(lines), data=data, files=files, complete=not missing)
