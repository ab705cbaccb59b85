"""The record of a batch, one JSON object a line, which makes a run resumable."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ..errors import WriteFailed
from ..files import atomic_write, report_write_errors
from ..images.marks import has_mark
from ..regular_files import open_regular_file, read_regular_file
from .folder_lock import lock_folder
from .layouts import METADATA
from .walk import find_real_path

if TYPE_CHECKING:
    from collections.abc import Iterable

_Text = Annotated[str, msgspec.Meta(pattern="^[^\\x00]*$")]
Entry = dict[str, Any]
Position = tuple[int, int, int]
"""Where an entry stands among those of its run: number of the input, of its frame, of the annotator."""
START = '{"input": '
"""How every line begins."""
NAME = "manifest.jsonl"
PASSED = "passed over"
"""Status of an entry on what an argument stands for and is no input."""


class _Shape(msgspec.Struct):
    """What every line must have; the rest is compared, and not used."""

    input: _Text
    status: Literal["done", "refused", "passed over"]
    name: _Text = ""
    output: _Text = ""
    files: list[_Text] = []


class Manifest:
    """``manifest.jsonl`` of an output folder. Lines are appended as maps are finished and put in order at the end.

    Several processes may write into one folder: every change is made under a lock, and lines of others are kept.
    damaged: how many lines were skipped because they are no entries. earlier: entries of the runs before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        entries, self.damaged = _read_entries(self.path)
        self._old = {_build_key(entry): entry for entry in entries}
        self.earlier = tuple(entries)
        self._new: dict[str, tuple[Position, Entry]] = {}
        self._tried: set[str] = set()

    def note_passed(self, arguments: Iterable[str], passed: Iterable[Entry]) -> None:
        """Record what the arguments of this run stand for and is no input; what earlier runs noted of them goes."""
        self._tried.update(map(os.path.abspath, arguments))
        for number, entry in enumerate(passed):
            self.add({"input": entry["input"], "name": "", "status": PASSED, **entry}, (-1, number, 0))

    @cached_property
    def origins(self) -> dict[Path, Path]:
        """Files that earlier runs wrote into this folder → the inputs they were made of."""
        return {
            find_real_path(self.folder / n): Path(e["input"]) for e in self._old.values() for n in e.get("files", ())
        }

    def is_map(self, path: Path) -> bool:
        """Whether a file in this folder is ours: recorded, or marked as ours because a killed run did not record it.

        Records are ours wherever they lie.
        """
        place, folder = find_real_path(path), find_real_path(self.folder)
        if place in self.origins:
            return True
        if path.name in (NAME, METADATA):
            return _is_record(path) or folder in place.parents
        return folder in place.parents and has_mark(path)

    def is_done(self, entry: Entry) -> bool:
        """Whether an earlier run made exactly this, and its files are still there.

        An input is known by its content, whatever the path it is named by.
        """
        old = self._old.get(_build_key(entry))
        if old is None or old.get("status") != "done":
            return False
        if any(_strip_paths(key, old.get(key)) != _strip_paths(key, value) for key, value in entry.items()):
            return False
        return all((self.folder / name).is_file() for name in old["files"])

    def list_files(self, output: str) -> list[str]:
        """Files below the folder that an earlier run recorded for an output."""
        return list(self._old.get(output, {}).get("files", ()))

    def forget(self, output: str) -> None:
        """Take back an output that is about to be made anew in several files, lest a kill leaves it half overwritten.

        Raises WriteFailed.
        """
        if self._old.pop(output, None) is None:
            return
        with lock_folder(self.folder):
            self._write(entry for entry in _read_entries(self.path)[0] if _build_key(entry) != output)

    def reuse(self, entry: Entry, place: Position) -> None:
        """Take an entry of an earlier run over, under the name that its input has now."""
        old = self._old[_build_key(entry)]
        renamed = {key: entry[key] for key in ("input", "mask") if key in entry}
        self._new[_build_key(entry)] = (place, {**old, **renamed})

    def add(self, entry: Entry, place: Position) -> None:
        """Record a result at once. Raises WriteFailed."""
        self._new[_build_key(entry)] = (place, entry)
        with report_write_errors(self.path), lock_folder(self.folder), open_regular_file(self.path, "ab") as stream:
            stream.write(_encode(entry))

    def list_entries(self) -> list[Entry]:
        """Entries of earlier runs, then those of this run in order."""
        return [*(old for key, old in self._old.items() if key not in self._new), *self._sort_entries()]

    def find_maps(self, source: str) -> dict[str, Path]:
        """Annotator name → finished map of an input of this run (its first frame)."""
        maps: dict[str, Path] = {}
        for entry in self._sort_entries():
            if entry["input"] == source and entry["status"] == "done":
                maps.setdefault(entry["name"], self.folder / entry["output"])
        return maps

    def repair(self) -> None:
        """Make the folder, and drop a line that a killed run left unfinished, so that lines can be appended.

        Raises WriteFailed.
        """
        with report_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(self.folder):
            if self.path.is_file():
                self._write(_read_entries(self.path)[0])

    def close(self) -> None:
        """Write the record in order: what other runs did elsewhere, then this run's entries. Raises WriteFailed."""
        tried = {_find_place(entry) for _, entry in self._new.values()} | self._tried
        with lock_folder(self.folder):
            there = {_build_key(entry): entry for entry in _read_entries(self.path)[0]}
            kept = [old for key, old in there.items() if key not in self._new]
            current = (e for e in kept if e["status"] == "done" or _find_place(e) not in tried)
            self._write([*current, *self._sort_entries()])

    def _sort_entries(self) -> list[Entry]:
        return [entry for _, entry in sorted(self._new.values(), key=lambda pair: pair[0])]

    def _write(self, entries: Any) -> None:
        atomic_write(self.path, b"".join(_encode(entry) for entry in entries))


def _strip_paths(key: str, value: Any) -> Any:
    """Value of an entry without the names of files whose content is known."""
    if key == "input":
        return None
    if key == "mask" and isinstance(value, dict) and value.get("sha256"):
        return value["sha256"]
    return value


def _find_place(entry: Entry) -> str:
    """Absolute path of an entry's input."""
    return os.path.abspath(entry["input"].partition("\0")[0])  # noqa: PTH100 - links stay what they are


def _is_record(path: Path) -> bool:
    try:
        with open_regular_file(path) as stream:
            return stream.read(len(START)) == START.encode()
    except OSError:
        return False


def _build_key(entry: Entry) -> str:
    named = f"{entry.get('input')} {entry.get('name')}"
    return entry.get("output") or (f"{named} {PASSED}" if entry.get("status") == PASSED else named)


def _encode(entry: Entry) -> bytes:
    """UTF-8; a file name that is no UTF-8 is escaped, so that the line stays readable for everyone."""
    try:
        return f"{json.dumps(entry, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(entry)}\n".encode()


def _read_entries(path: Path) -> tuple[list[Entry], int]:
    """Entries of a record, and how many lines are none; the torn last line of a killed run does not count."""
    if not path.exists():
        return [], 0
    with report_write_errors(path):
        text = read_regular_file(path).decode("utf-8", "replace")
    if text.strip() and not text.startswith(START[: len(text)]):
        raise WriteFailed("this is not a record of ours, it stays as it is", where=str(path), fix="choose another -o")
    lines = text.split("\n")  # not splitlines: names may hold other line separators
    read = [_read_entry(line) for line in lines]
    damaged = sum(entry is None and bool(line.strip()) for line, entry in zip(lines[:-1], read[:-1], strict=True))
    return [entry for entry in read if entry is not None], damaged


def _read_entry(line: str) -> Entry | None:
    """Entry of a line; None where it is none: no JSON, too deep, of another shape."""
    try:
        entry = json.loads(line)
        msgspec.convert(entry, _Shape)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
    done = entry["status"] == "done"
    return entry if not done or {"name", "output", "files"} <= entry.keys() else None
