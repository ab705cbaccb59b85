"""A whole job around its engine: what is left to do, with how many workers, and the captions at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..batch.layouts import MAPS, METADATA, find_image
from ..batch.outputs import to_safe_name
from ..errors import BadParameter
from ..files import atomic_stream
from .memory import find_free_memory
from .remote import is_url
from .run_shard import explain_redo
from .sinks.folder import list_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .job import Job
    from .manifest import Manifest
    from .rows import Shard

MEMORY = 1 << 30
"""Bytes that a worker may need besides its networks' weights; workers are as many as fit."""


class Plan(NamedTuple):
    """What is left to do. again: name of a shard that was committed → why it is done again."""

    missing: list[Shard]
    again: dict[str, str]


def plan_shards(manifest: Manifest, shards: Sequence[Shard]) -> Plan:
    """Shards that are not committed. Raises BadParameter for a folder that has changed, WriteFailed."""
    reports = manifest.list_reports()
    if shards and shards[0].kind == "folder" and (gone := sorted(reports.keys() - {shard.name for shard in shards})):
        what = f"pictures of the folder were removed since this data set was begun (shards {', '.join(gone[:5])})"
        raise BadParameter(what, where=shards[0].path, fix="put them back, or write into another folder")
    done = {shard.name: shard for shard in shards if shard.name in reports}
    again = {name: why for name, shard in done.items() if (why := explain_redo(manifest, shard, reports[name]))}
    return Plan([shard for shard in shards if shard.name not in done or shard.name in again], again)


def check_apart(source: str, destination: Path) -> None:
    """Raise BadParameter where one of source and destination lies in the other."""
    if is_url(source):
        return
    start, end = Path(os.path.realpath(source)), Path(os.path.realpath(destination))
    if start == end or start in end.parents:
        what = "the maps would lie among the pictures, and be taken for pictures the next time"
        raise BadParameter(what, where=str(destination), fix="write into a folder outside the source")


def count_workers(wanted: int, weights: int = 0) -> int:
    """Number of workers: that which is wanted, else as many as CPUs and free memory allow.

    weights: bytes of the files that every worker loads; once loaded they may be twice as large.
    """
    if wanted:
        return wanted
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = find_free_memory()
    return max(1, min(cpus, free // (MEMORY + 2 * weights) if free else cpus))


def write_captions(job: Job, manifest: Manifest) -> list[Path]:
    """Write metadata.jsonl of each annotator, for pictures with maps and captions in a folder. Raises WriteFailed.

    A line names picture and map, as Hugging Face's image folders do.
    """
    written = find_captions(job, manifest.destination)
    for name, path in written.items():
        with atomic_stream(path) as stream:
            for line in iter_captions(job, manifest, name):
                stream.write(line)
    return list(written.values())


def find_captions(job: Job, destination: Path) -> dict[str, Path]:
    """Annotator → the file with its pictures' captions; empty for other formats and layouts."""
    if job.format != "folder" or job.layout != "diffusers":
        return {}
    several = len(job.annotators) > 1
    return {one.name: destination / (to_safe_name(one.name) if several else "") / METADATA for one in job.annotators}


def iter_captions(job: Job, manifest: Manifest, annotator: str) -> Iterator[bytes]:
    """Lines of such a file."""
    start = f"{to_safe_name(annotator)}/" if len(job.annotators) > 1 else ""
    for shard, report in manifest.list_reports().items():
        for record in manifest.iter_records(shard):
            if not record.refused:
                output = list_outputs(job, report.place + record.key)[annotator][len(start) :]
                row = {"file_name": find_image(output), f"{MAPS}_file_name": output, "text": record.text}
                yield f"{json.dumps(row, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")
