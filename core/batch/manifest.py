"""The record of a batch, one JSON object a line, which makes a run resumable."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import BadImage, WriteFailed
from ..files import atomic_write, report_write_errors
from ..regular_files import open_regular_file, read_regular_file

Entry = dict[str, Any]
Position = tuple[int, int, int]
"""Where an entry stands among those of its run: number of the input, of its frame, of the annotator."""
START = '{"input": '
"""How every line begins."""


class Manifest:
    """``manifest.jsonl`` of an output folder. Lines are appended as maps are finished and put in order at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "manifest.jsonl"
        self._old = {_build_key(entry): entry for entry in _read_entries(self.path)}
        self._new: dict[str, tuple[Position, Entry]] = {}

    @cached_property
    def origins(self) -> dict[Path, Path]:
        """Files that earlier runs wrote into this folder → the inputs they were made of."""
        return {(self.folder / n).resolve(): Path(e["input"]) for e in self._old.values() for n in e.get("files", ())}

    def is_map(self, path: Path) -> bool:
        """Whether a file in this folder is ours: recorded, or marked as ours because a killed run did not record it."""
        place = path.resolve()
        return place in self.origins or (self.folder.resolve() in place.parents and _is_marked(path))

    def is_done(self, entry: Entry) -> bool:
        """Whether an earlier run made exactly this, and its files are still there."""
        old = self._old.get(_build_key(entry))
        if old is None or old.get("status") != "done" or any(old.get(key) != value for key, value in entry.items()):
            return False
        return all((self.folder / name).is_file() for name in old["files"])

    def reuse(self, entry: Entry, place: Position) -> None:
        """Take an entry of an earlier run over."""
        self._new[_build_key(entry)] = (place, self._old[_build_key(entry)])

    def add(self, entry: Entry, place: Position) -> None:
        """Record a result at once. Raises WriteFailed."""
        self._new[_build_key(entry)] = (place, entry)
        with report_write_errors(self.path), open_regular_file(self.path, "ab") as stream:
            stream.write(_encode(entry))

    def find_maps(self, source: Path) -> dict[str, Path]:
        """Annotator name → finished map of an input of this run (its first frame)."""
        maps: dict[str, Path] = {}
        for entry in self._sort_entries():
            if entry["input"] == source.as_posix() and entry["status"] == "done":
                maps.setdefault(entry["name"], self.folder / entry["output"])
        return maps

    def repair(self) -> None:
        """Make the folder, and drop a line that a killed run left unfinished, so that lines can be appended.

        Raises WriteFailed.
        """
        with report_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.path.is_file():
            self._write(self._old.values())

    def close(self) -> None:
        """Write the record in order: what earlier runs did elsewhere, then this run's entries. Raises WriteFailed."""
        tried = {entry["input"] for _, entry in self._new.values()}
        kept = [old for key, old in self._old.items() if key not in self._new]
        self._write([*(e for e in kept if e["status"] != "refused" or e["input"] not in tried), *self._sort_entries()])

    def _sort_entries(self) -> list[Entry]:
        return [entry for _, entry in sorted(self._new.values(), key=lambda pair: pair[0])]

    def _write(self, entries: Any) -> None:
        atomic_write(self.path, b"".join(_encode(entry) for entry in entries))


def _is_marked(path: Path) -> bool:
    if path.suffix.lower() != ".png":
        return False
    from ..images.writing import read_info

    try:
        return bool(read_info(path))
    except BadImage:
        return False


def _build_key(entry: Entry) -> str:
    return entry.get("output") or f"{entry.get('input')} {entry.get('name')}"


def _encode(entry: Entry) -> bytes:
    """UTF-8; a file name that is no UTF-8 is escaped, so that the line stays readable for everyone."""
    try:
        return f"{json.dumps(entry, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(entry)}\n".encode()


def _read_entries(path: Path) -> list[Entry]:
    if not path.exists():
        return []
    with report_write_errors(path):
        text = read_regular_file(path).decode("utf-8", "replace")
    if text.strip() and not text.startswith(START[: len(text)]):
        raise WriteFailed("this is not a record of ours, it stays as it is", where=str(path), fix="choose another -o")
    entries: list[Entry] = []
    for line in text.split("\n"):  # not splitlines: names may hold other line separators
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # the torn last line of a killed run: its map is made again
        if isinstance(entry, dict) and {"input", "status"} <= entry.keys():
            entries.append(entry)
    return entries
