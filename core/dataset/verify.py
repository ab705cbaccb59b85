"""Whether a data set is whole: every shard, every file, every row and every map."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadImage, WriteFailed
from ..files import hash_file
from ..images.geometry import Size, find_target_size
from ..report_text import count
from .manifest import FOLDER, PARTS, SETTINGS, SHARDS, SOURCE
from .run_job import find_captions, iter_captions, read_captions
from .sinks import iter_stored, name_stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..progress import Progress
    from .job import Job, ShardReport
    from .manifest import Manifest
    from .records import RowRecord
    from .rows import Stored

AGAIN = "remove {} and run the same `underdrawing dataset annotate` again, which makes the shard again"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong. shard: empty for what belongs to none. row: key; empty for what concerns the shard. fix: step."""

    shard: str = ""
    row: str = ""
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """Shard, row, fault and step, in one line."""
        places = [*([f"shard {self.shard}"] if self.shard else []), *([f"row {self.row}"] if self.row else [])]
        return f"{', '.join(places)}{': ' if places else ''}{self.what}{f'. Next: {self.fix}' if self.fix else ''}"


class Verification:
    """One check of a data set. quick: hashes of files only, no map is opened.

    shards, rows, maps, files: how many were checked.
    """

    def __init__(self, manifest: Manifest, *, quick: bool = False) -> None:
        self.manifest, self.quick = manifest, quick
        self.job: Job = manifest.read_job()
        self.shards = self.rows = self.maps = self.files = 0
        self._owned = {f"{FOLDER}/{SETTINGS}", f"{FOLDER}/{SOURCE}"}

    def run(self, progress: Progress) -> Iterator[Problem]:
        """Check everything, problem by problem. Raises BadParameter where there is no data set."""
        planned = sorted(self.manifest.list_shards())
        there = sorted(path.name[: -len(".json")] for path in (self.manifest.folder / SHARDS).glob("*.json"))
        names = sorted({*planned, *there})
        for number, name in enumerate(names):
            yield from self._check_shard(name, is_planned=not planned or name in planned)
            progress(number + 1, len(names))
        yield from self._check_captions()
        yield from self._find_foreign()

    def _check_shard(self, name: str, *, is_planned: bool) -> Iterator[Problem]:
        self._owned.add(f"{FOLDER}/{SHARDS}/{name}.json")
        fix = AGAIN.format(f"{FOLDER}/{SHARDS}/{name}.json")
        try:
            report = self.manifest.find_report(name)
        except WriteFailed as error:
            yield Problem(shard=name, what=error.what, fix=fix)
            return
        if report is None:
            yield Problem(shard=name, what="is missing", fix="run the same `underdrawing dataset annotate` again")
            return
        self.shards += 1
        if not is_planned:
            yield Problem(shard=name, what="is no shard of this data set's source", fix="remove it with its files")
        found = [*self._check_files(report), *self._check_rows(report)]
        yield from (msgspec.structs.replace(problem, shard=name, fix=problem.fix or fix) for problem in found)

    def _check_files(self, report: ShardReport) -> Iterator[Problem]:
        """Files that are missing or others than were committed."""
        for name, sha256 in report.files.items():
            self._owned.add(name)
            path = self.manifest.destination / name
            self.files += 1
            try:
                if hash_file(path) != sha256:
                    yield Problem(what=f"{name} has changed since it was written")
            except OSError as error:
                reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
                yield Problem(what=f"{name} {reason}")

    def _check_rows(self, report: ShardReport) -> Iterator[Problem]:
        try:
            records = list(self.manifest.iter_records(report.name))
        except (BadImage, OSError) as error:
            yield Problem(what=f"the records of its rows cannot be read ({error})")
            return
        whole = [record for record in records if not record.refused]
        self.rows += len(records)
        if (len(records), len(whole)) != (report.rows, report.written):
            counts = f"{report.rows} rows, {report.written} with maps, and {len(records)}, {len(whole)} are recorded"
            yield Problem(what=f"its report counts {counts}")
        if not self.quick:
            yield from self._check_stored(report, whole)

    def _check_stored(self, report: ShardReport, records: list[RowRecord]) -> Iterator[Problem]:
        """Compare what is stored with the records, row by row."""
        waiting = {name_stored(self.job, record.key): record for record in records}
        last = ""
        try:
            for stored in iter_stored(self.job, report, self.manifest.destination, list(waiting)):
                record = waiting.pop(stored.key, None)
                last = stored.key
                if record is not None:
                    yield from self._check_row(stored, record)
                elif stored.maps:
                    yield Problem(row=stored.key, what="is no row of the shard's records, or is there twice")
        except (BadImage, OSError) as error:
            what = error.what if isinstance(error, BadImage) else f"cannot be read ({error})"
            rows = f"; {len(waiting)} rows are behind the damage" if waiting else ""
            yield Problem(row=last, what=f"{what}{rows}")
            return
        yield from (Problem(row=key, what="is missing") for key in waiting)

    def _check_row(self, stored: Stored, record: RowRecord) -> Iterator[Problem]:
        for one in self.job.annotators:
            data, facts = stored.maps.get(one.name), record.facts.get(one.name)
            if data is None or facts is None:
                yield Problem(row=record.key, what=f"has no map of {one.name}")
                continue
            self.maps += 1
            size = Size(facts.height, facts.width)
            if fault := _find_fault(data, size) or self._find_size_fault(size, record):
                yield Problem(row=record.key, what=f"the map of {one.name} {fault}")
        if self.job.layout == "diffusers":
            if stored.picture is None:
                yield Problem(row=record.key, what="its picture is missing")
            elif fault := _find_fault(stored.picture, Size(record.height, record.width)):
                yield Problem(row=record.key, what=f"the picture {fault}")

    def _find_size_fault(self, size: Size, record: RowRecord) -> str:
        wanted = find_target_size(Size(record.height, record.width), self.job.resolution)
        if size == wanted:
            return ""
        picture = f"its picture has {record.width} x {record.height}, which asks for {wanted.width} x {wanted.height}"
        return f"has {size.width} x {size.height} pixels: {picture}"

    def _check_captions(self) -> Iterator[Problem]:
        for name, path in find_captions(self.job, self.manifest.destination).items():
            self._owned.add(path.relative_to(self.manifest.destination).as_posix())
            fix = "run the same `underdrawing dataset annotate` again, which writes it"
            try:
                pictures = {picture for picture, _ in iter_captions(self.job, self.manifest, name)}
            except (BadImage, WriteFailed, OSError):
                continue  # told of its shard
            if not path.is_file():
                yield Problem(what=f"{path.name} of {name} is missing", fix=fix)
            elif lacking := pictures - read_captions(path).keys():
                what = f"{path.name} of {name} does not list {count(len(lacking), 'row')} that are there"
                yield Problem(what=what, fix=f"delete it, and {fix}")

    def _find_foreign(self) -> Iterator[Problem]:
        """Files that no shard has written, and what a killed run left."""
        root = self.manifest.destination
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_file() or name in self._owned:
                continue
            if name.startswith(f"{FOLDER}/{PARTS}/") or path.name.endswith(".part"):
                yield Problem(what=f"{name} is left of a run that was killed", fix="annotate again, or remove it")
            else:
                yield Problem(what=f"{name} belongs to no shard", fix="remove it, if it was not you who put it there")

    def to_json(self) -> dict[str, Any]:
        """How much was checked."""
        return {"shards": self.shards, "rows": self.rows, "maps": self.maps, "files": self.files}


def _find_fault(data: bytes, size: Size) -> str:
    """What is wrong with a PNG that should have this size; empty where nothing is."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            found = Size(picture.height, picture.width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"is damaged ({error})"
    recorded = f"{size.width} x {size.height} are recorded"
    return "" if found == size else f"has {found.width} x {found.height} pixels, and {recorded}"
