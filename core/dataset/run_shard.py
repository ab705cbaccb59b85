"""One shard from its rows to its committed files: all that an engine calls."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..batch.folder_lock import lock_folder
from ..errors import BadImage, BadParameter
from ..file_names import check_relative_name
from ..files import hash_file, replace_file, report_write_errors
from ..regular_files import open_regular_file, sync_paths
from .annotate_row import annotate_row
from .input_stamps import list_changed, stamp_row
from .job import NameTaken, ShardReport
from .manifest import FOLDER, PARTS, ROWS, Manifest
from .records import DAMAGE, FILTERS, NAME, RowRecord, encode_record
from .remote import fetch_file, is_url
from .rows import RowResult
from .sinks import name_stored, open_sink
from .sources import iter_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from ..annotator import Annotator
    from .job import Job
    from .rows import Row, Shard
    from .sinks import Sink


def run_shard(job: Job, shard: Shard, annotators: Mapping[str, Annotator[Any]]) -> ShardReport:
    """Annotate the rows of a shard and commit what came of them; one that is done already is left as it is.

    Files get their names when all are complete, the report last: a shard without a report is done again.

    Raises NameTaken for a file of others, WriteFailed (disk full), BadImage for a row where the job stops on
    errors, and what `annotate_row` raises.
    """
    manifest = Manifest(Path(job.destination))
    part = manifest.folder / PARTS / shard.name
    with report_write_errors(part):
        part.mkdir(parents=True, exist_ok=True)
        with lock_folder(part):  # a process whose run was killed may still be at this shard
            return _run_alone(job, shard, annotators, manifest, part)


def _run_alone(
    job: Job, shard: Shard, annotators: Mapping[str, Annotator[Any]], manifest: Manifest, part: Path
) -> ShardReport:
    began, old = time.monotonic(), manifest.find_report(shard.name)
    try:
        if old is not None and not explain_redo(manifest, shard, old):
            return old
        for path in part.iterdir() if part.is_dir() else ():
            shutil.rmtree(path)
        part.mkdir(parents=True, exist_ok=True)
        _check_edited(manifest, shard.name)
        report = _commit(manifest, part, _write_rows(job, shard, annotators, part))
        for name in set(old.files if old else ()) - set(report.files):
            (manifest.destination / name).unlink(missing_ok=True)
        manifest.commit(report)
        return msgspec.structs.replace(report, seconds=time.monotonic() - began)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def explain_redo(manifest: Manifest, shard: Shard, report: ShardReport) -> str:
    """Why a shard that was committed is done again; empty where its input is as it was, and its files are there.

    Raises BadParameter where the pictures of a folder are others than before: they would be in other shards.
    """
    if report.source != shard.digest:
        if shard.kind == "folder":
            what = "pictures of the folder were added, removed or renamed since this data set was begun"
            raise BadParameter(what, where=shard.path, fix="put them back, or write into another folder")
        return "its input has changed since it was annotated"
    if changed := list_changed(shard, report):
        names = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
        return f"pictures or captions have changed since they were annotated: {len(changed)} ({names})"
    if gone := [name for name in report.files if not (manifest.destination / name).is_file()]:
        return f"files of it are missing: {len(gone)} ({gone[0]}{', ...' if len(gone) > 1 else ''})"
    return ""


def _write_rows(job: Job, shard: Shard, annotators: Mapping[str, Annotator[Any]], part: Path) -> ShardReport:
    rows = written = bare = 0
    inputs: dict[str, str] = {}
    refused: list[tuple[str, str, str]] = []
    place = "" if shard.kind == "folder" else f"{shard.name}/"
    sink = open_sink(job, shard.name, _make(part / "files"), place)
    try:
        with open_regular_file(_make(part / ROWS) / f"{shard.name}.jsonl", "wb") as records:
            for result in _iter_results(job, shard, annotators, part, inputs):
                rows += 1
                written += not result.record.refused
                bare += bool(result.picture) and not result.record.text
                _write(job, result, sink, records, refused)
        sink.close()
    except BaseException:
        sink.abandon()
        raise
    return ShardReport(
        name=shard.name,
        source=shard.digest,
        place=place,
        rows=rows,
        written=written,
        refused=tuple(refused),
        without_caption=bare,
        inputs=inputs,
    )


def _write(job: Job, result: RowResult, sink: Sink, records: BinaryIO, refused: list[tuple[str, str, str]]) -> None:
    record = result.record
    records.write(encode_record(record))
    records.flush()  # whoever shows the progress reads it
    if record.refused:
        refused.append((record.key, record.kind, record.refused))
    if result.maps or (job.on_error == "keep" and record.refused and record.kind not in FILTERS):
        sink.write(result)


def _iter_results(
    job: Job, shard: Shard, annotators: Mapping[str, Annotator[Any]], part: Path, inputs: dict[str, str]
) -> Iterator[RowResult]:
    """Results of all rows; a shard that is damaged ends with a row that says so. inputs: takes pictures' stamps."""
    keys, index = set[str](), 0
    try:
        for row in iter_rows(_fetch(shard, part), image=job.image, key=job.key, allow_outside=job.allow_outside):
            index = row.index + 1
            inputs |= stamp_row(job, shard, row)  # before it is read: what changes meanwhile is noticed
            result = _check_key(job, row, keys) or annotate_row(job, row, annotators)
            yield _stop(job, result)
    except BadImage as error:
        if job.on_error == "stop":
            raise
        record = RowRecord(key=f"{shard.name}[{index}:]", index=index, refused=str(error), kind=DAMAGE)
        yield RowResult(record=record)


def _fetch(shard: Shard, part: Path) -> Shard:
    """The shard as a file of this machine. Raises FetchFailed, BadImage for one that is gone."""
    if not is_url(shard.path) or shard.kind not in ("webdataset", "parquet"):
        return shard
    return msgspec.structs.replace(shard, path=str(fetch_file(shard.path, part / "input")), url=shard.path)


def _stop(job: Job, result: RowResult) -> RowResult:
    record = result.record
    if record.refused and job.on_error == "stop" and record.kind not in FILTERS:
        raise BadImage(f"{record.refused}; --on-error skip or keep goes on without it", where=record.key)
    return result


def _check_key(job: Job, row: Row, keys: set[str]) -> RowResult | None:
    """The result of a row whose key names no file, or is that of an earlier row of the shard."""
    try:
        check_relative_name(row.key)
        reason = "an earlier row of the shard has the same key" if name_stored(job, row.key) in keys else ""
    except BadParameter as error:
        reason = str(error)
    keys.add(name_stored(job, row.key))
    return RowResult(record=RowRecord(key=row.key, index=row.index, refused=reason, kind=NAME)) if reason else None


def _commit(manifest: Manifest, part: Path, report: ShardReport) -> ShardReport:
    """Give the files of a shard their names when their bytes are on disk; returns the report with their hashes."""
    moves = {path: path.relative_to(part / "files") for path in (part / "files").rglob("*") if path.is_file()}
    moves |= {path: Path(FOLDER) / path.relative_to(part) for path in (part / ROWS).iterdir()}
    files: dict[str, str] = {}
    for old in {
        Path(*name.parts[:1]) for name in moves.values() if len(name.parts) > 1 and name.parts[0].endswith(".lance")
    }:
        shutil.rmtree(manifest.destination / old, ignore_errors=True)  # its files have other names every time
    for path, name in sorted(moves.items()):
        files[name.as_posix()] = hash_file(path)
    _check_names(manifest, report.name, files)
    sync_paths([*moves])
    report = msgspec.structs.replace(report, files=dict(sorted(files.items())))
    manifest.announce(report)
    for path, name in sorted(moves.items()):
        (manifest.destination / name).parent.mkdir(parents=True, exist_ok=True)
        _move(path, manifest.destination / name)
    sync_paths([manifest.destination / one for one in {folder for name in moves.values() for folder in name.parents}])
    return report


def _check_edited(manifest: Manifest, shard: str) -> None:
    """Refuse to annotate anew over files that were changed since they were written. Raises NameTaken."""
    for name, hashes in manifest.find_hashes(shard).items():
        path = manifest.destination / name
        if not name.startswith(FOLDER) and ".lance/" not in name and path.is_file() and hash_file(path) not in hashes:
            what = "it was changed since it was written, and its shard is to be annotated anew"
            raise NameTaken(what, where=str(path), fix="move or delete that file, and run the same command again")


def _check_names(manifest: Manifest, shard: str, files: dict[str, str]) -> None:
    """Refuse to replace files that no run wrote. Raises NameTaken."""
    known = manifest.find_hashes(shard)
    for name, digest in files.items():
        path = manifest.destination / name
        if name in known or name.startswith(FOLDER) or ".lance/" in name or not os.path.lexists(path):
            continue
        if not path.is_file() or hash_file(path) != digest:
            what = "a file that this program did not write has the name of a map"
            raise NameTaken(what, where=str(path), fix="move or delete that file, and run the same command again")


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except PermissionError:  # Windows: another program holds it open
        replace_file(path, target)


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder
