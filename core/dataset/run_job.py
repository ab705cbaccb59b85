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
from ..regular_files import read_regular_file
from .manifest import SHARDS
from .memory import find_free_memory
from .records import DAMAGE, NAME
from .remote import is_url
from .run_shard import explain_redo
from .sinks.folder import list_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .job import Job, ShardReport
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
    A line that was edited since the shard of its picture was annotated stays, as do lines of other pictures.
    """
    written = find_captions(job, manifest.destination)
    newest = max((_find_time(manifest, shard) for shard in manifest.list_reports()), default=0)
    for annotator, path in written.items():
        if path.is_file() and path.stat().st_mtime_ns >= newest:
            continue  # nothing was annotated since
        own = read_captions(path) if path.is_file() else {}
        changed = path.stat().st_mtime_ns if own else 0
        with atomic_stream(path) as stream:
            for shard, report in manifest.list_reports().items():
                is_edited = _find_time(manifest, shard) < changed
                for name, line in _iter_lines(job, manifest, annotator, report):
                    mine = own.pop(name, None)
                    stream.write(mine if mine is not None and is_edited else line)
            for line in own.values():
                stream.write(line)
    return list(written.values())


def _find_time(manifest: Manifest, shard: str) -> int:
    return (manifest.folder / SHARDS / f"{shard}.json").stat().st_mtime_ns


def read_captions(path: Path) -> dict[str, bytes]:
    """Picture → its line, whole; a line that names none stands under its own text."""
    lines = [line + b"\n" for line in read_regular_file(path).split(b"\n") if line.strip()]
    return {_name_picture(line): line for line in lines}


def _name_picture(line: bytes) -> str:
    try:
        return str(json.loads(line)["file_name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return line.decode("utf-8", "replace")


def find_captions(job: Job, destination: Path) -> dict[str, Path]:
    """Annotator → the file with its pictures' captions; empty for other formats and layouts."""
    if job.format != "folder" or job.layout != "diffusers":
        return {}
    several = len(job.annotators) > 1
    return {one.name: destination / (to_safe_name(one.name) if several else "") / METADATA for one in job.annotators}


def iter_captions(job: Job, manifest: Manifest, annotator: str) -> Iterator[tuple[str, bytes]]:
    """Pictures of such a file, and their lines."""
    for report in manifest.list_reports().values():
        for name, line in _iter_lines(job, manifest, annotator, report):
            if line:
                yield name, line


def _iter_lines(job: Job, manifest: Manifest, annotator: str, report: ShardReport) -> Iterator[tuple[str, bytes]]:
    """Pictures of a shard, and their lines; that of a picture without a map is empty."""
    start = f"{to_safe_name(annotator)}/" if len(job.annotators) > 1 else ""
    for record in manifest.iter_records(report.name):
        if record.kind in (NAME, DAMAGE):  # its key is no name
            continue
        output = list_outputs(job, report.place + record.key)[annotator][len(start) :]
        name = find_image(output)
        row = {"file_name": name, f"{MAPS}_file_name": output, "text": record.text}
        line = f"{json.dumps(row, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")
        yield name, b"" if record.refused else line
