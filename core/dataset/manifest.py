"""The record of a data set, in its folder ``.underdrawing``: settings, and what has been committed of each shard."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..batch.folder_lock import hold_folder
from ..errors import BadParameter, WriteFailed
from ..files import atomic_write, report_write_errors
from ..regular_files import read_regular_file
from .job import Job, ShardReport
from .job_differences import list_differences
from .records import RowRecord, decode_record

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from .rows import Shard

FOLDER = ".underdrawing"
SETTINGS, SOURCE, SHARDS, ROWS, PARTS = "job.json", "source.json", "shards", "rows", "parts"
"""Settings of the run; its shards; one report and one file of records for each; what is not committed yet."""
NEXT = ".next"
"""Ending of the report of a shard whose files are about to get their names."""


class Manifest:
    """The record of one destination. A shard counts as done when its report is there, which is written last."""

    def __init__(self, destination: Path) -> None:
        self.destination, self.folder = destination, destination / FOLDER

    @contextmanager
    def hold(self, job: Job, shards: Sequence[Shard] = ()) -> Generator[None]:
        """Keep other runs out, and record settings and shards. Raises WriteFailed, BadParameter for other settings."""
        self._check_folder()
        with report_write_errors(self.folder):
            for place in (SHARDS, ROWS, PARTS):
                (self.folder / place).mkdir(parents=True, exist_ok=True)
        with hold_folder(self.folder):
            self._sweep()
            unused = not self._holds_files() and not any(one.written for one in self.list_reports().values())
            if unused:  # a run without a map claims nothing
                self._forget_others(job)
            if unused or not self.check_settings(job):
                record = {"settings": job.settings(), "hash": job.hash_settings()}
                atomic_write(self.folder / SETTINGS, json.dumps(record, indent=1, sort_keys=True).encode() + b"\n")
            digests = {**self.list_shards(), **{shard.name: shard.digest for shard in shards}}
            atomic_write(self.folder / SOURCE, json.dumps(digests, indent=1, sort_keys=True).encode() + b"\n")
            try:
                yield
            finally:
                self._sweep()

    def _forget_others(self, job: Job) -> None:
        """Remove what is recorded of a run with other settings, which wrote nothing."""
        try:
            self.check_settings(job)
        except BadParameter:
            for path in (*(self.folder / SHARDS).iterdir(), *(self.folder / ROWS).iterdir()):
                path.unlink()
            (self.folder / SOURCE).unlink(missing_ok=True)

    def _check_folder(self) -> None:
        """Make sure that nothing of others' is replaced: a folder that is begun must be empty or new."""
        if not (self.folder / SETTINGS).exists() and self._holds_files():
            what = "there are files in the folder already, which maps could replace"
            raise BadParameter(what, where=str(self.destination), fix="give a new or empty folder as --out")

    def _holds_files(self) -> bool:
        return self.destination.is_dir() and any(path.name != FOLDER for path in self.destination.iterdir())

    def _sweep(self) -> None:
        """Remove what processes that were killed had not committed; what a live one is at is left to it."""
        for part in (self.folder / PARTS).iterdir():
            with suppress(WriteFailed, OSError), hold_folder(part):
                shutil.rmtree(part, ignore_errors=True)
        for path in (self.folder / SHARDS).glob(f"*{NEXT}"):
            report = path.with_name(f"{path.name[: -len(NEXT)]}.json")
            if report.is_file() and read_regular_file(report) == read_regular_file(path):
                path.unlink(missing_ok=True)

    def list_shards(self) -> dict[str, str]:
        """Name → digest of all shards that runs were to do."""
        found = _read_json(self.folder / SOURCE)
        return found if isinstance(found, dict) else {}

    def read_job(self) -> Job:
        """The job that the settings are of, without its source. Raises what `read_settings` raises."""
        settings = {**self.read_settings()["settings"], "source": "", "destination": str(self.destination)}
        try:
            return msgspec.convert(settings, Job)
        except msgspec.ValidationError as error:
            what = f"the record of settings is damaged or of another version ({error})"
            raise WriteFailed(what, where=str(self.folder / SETTINGS), fix="use the version that wrote it") from error

    def check_settings(self, job: Job) -> bool:
        """Whether settings are recorded. Raises BadParameter where they are others than the job's, WriteFailed."""
        if not (self.folder / SETTINGS).exists():
            return False
        there = self.read_settings()
        if there["hash"] != job.hash_settings():
            names = ", ".join(list_differences(there["settings"], job.settings())) or "the version of underdrawing"
            what = f"this data set was begun with other settings: {names}"
            raise BadParameter(what, where=str(self.destination), fix="give the same, or write into another folder")
        return True

    def read_settings(self) -> dict[str, Any]:
        """Settings and their hash. Raises BadParameter where nothing was written, WriteFailed for a damaged record."""
        path = self.folder / SETTINGS
        if not path.is_file():
            what = "this is no data set that `underdrawing dataset annotate` wrote"
            raise BadParameter(what, where=str(self.destination), fix="name the folder that was given as --out")
        found = _read_json(path)
        if not isinstance(found, dict) or not isinstance(found.get("settings"), dict) or "hash" not in found:
            raise WriteFailed("the record of settings is damaged", where=str(path), fix="annotate into another folder")
        return found

    def find_report(self, name: str) -> ShardReport | None:
        """Report of a shard that is done; None for one that is not. Raises WriteFailed for a damaged one."""
        path = self.folder / SHARDS / f"{name}.json"
        return _read_report(path) if path.is_file() else None

    def list_reports(self) -> dict[str, ShardReport]:
        """Reports of all shards that are done, by name."""
        paths = sorted((self.folder / SHARDS).glob("*.json"))
        return {path.name[: -len(".json")]: _read_report(path) for path in paths}

    def announce(self, report: ShardReport) -> None:
        """Record which files a shard is about to get: those of a run that is killed are known. Raises WriteFailed."""
        atomic_write(self.folder / SHARDS / f"{report.name}{NEXT}", _encode_report(report))

    def find_hashes(self, name: str) -> dict[str, set[str]]:
        """Files that a shard has, or was about to get when a run was killed → the hashes that they may have."""
        hashes: dict[str, set[str]] = {}
        for path in (self.folder / SHARDS / f"{name}.json", self.folder / SHARDS / f"{name}{NEXT}"):
            for file, digest in _read_report(path).files.items() if path.is_file() else ():
                hashes.setdefault(file, set()).add(digest)
        return hashes

    def commit(self, report: ShardReport) -> None:
        """Record that a shard is done. Raises WriteFailed."""
        atomic_write(self.folder / SHARDS / f"{report.name}.json", _encode_report(report))
        (self.folder / SHARDS / f"{report.name}{NEXT}").unlink(missing_ok=True)

    def find_rows(self, name: str) -> Path:
        """File with the records of a shard's rows."""
        return self.folder / ROWS / f"{name}.jsonl"

    def iter_records(self, name: str) -> Iterator[RowRecord]:
        """Records of a shard's rows. Raises BadImage for a damaged one, OSError where there are none."""
        path = self.find_rows(name)
        for number, line in enumerate(read_regular_file(path).splitlines(), 1):
            yield decode_record(line, where=f"{path.name}:{number}")


def _encode_report(report: ShardReport) -> bytes:
    document = msgspec.to_builtins(msgspec.structs.replace(report, seconds=0.0))
    return json.dumps(document, indent=1).encode() + b"\n"


def _read_report(path: Path) -> ShardReport:
    try:
        return msgspec.json.decode(read_regular_file(path), type=ShardReport)
    except (msgspec.DecodeError, OSError) as error:
        fix = "remove it and run the same command again, which makes the shard again"
        raise WriteFailed(f"the report of a shard is damaged ({error})", where=str(path), fix=fix) from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_regular_file(path))
    except (ValueError, OSError, RecursionError):
        return None
