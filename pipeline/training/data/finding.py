"""Finds the pictures, captions and masks of a training set, and says what is left out."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ....core.batch.inputs import SUFFIXES
from ....core.batch.walk import walk_folder
from ....core.errors import BadImage, BadParameter
from ....core.regular_files import read_regular_file
from .captions import ENDINGS, Caption, find_caption, list_beside, parse_entry, read_caption
from .mask_files import BESIDE, MaskFolder, pair_masks
from .own_files import MAPS, RUNS, find_maps, is_in_run
from .samples import Sample
from .shards import MOST_BYTES, Member, find_mask, find_others, find_picture, read_shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

METADATA = "metadata.jsonl"
REPEATS = re.compile(r"^([0-9]{1,6})_(.*)$", re.DOTALL)
"""kohya's folders: 10_name."""
FIX = "give a folder of pictures (PNG, JPEG, WebP, ...) with captions beside them (NAME.txt), or .tar shards"


class Found(msgspec.Struct, kw_only=True):
    """Samples in order of name. left_out: name and reason. passed: reason → files that are no pictures.

    notes: what a user should know → how many pictures it is about. of_captions: name of a sample → its share of them.
    """

    samples: list[Sample] = []
    left_out: list[tuple[str, str]] = []
    passed: Counter[str] = msgspec.field(default_factory=Counter[str])
    notes: Counter[str] = msgspec.field(default_factory=Counter[str])
    of_captions: dict[str, list[str]] = {}

    def forget(self, name: str) -> None:
        """Take back what was noted of the caption of a sample that cannot be used."""
        self.notes = +(self.notes - Counter(self.of_captions.pop(name, [])))


def find_samples(
    data: Path, *, trigger: str = "", masks: str = "", tick: Callable[[int], None] = lambda _: None
) -> Found:
    """The training set in a folder or shard.

    trigger: caption of pictures that have none. masks: folder of masks named as their pictures, or "beside"; empty for
    none. tick: gets the number of pictures that were read so far. Raises BadParameter when data is neither, or nothing
    in it is a picture.
    """
    finder = _Finder(data, trigger, masks, tick)
    if data.is_dir():
        finder.add_folder()
    elif data.is_file():
        finder.add_shard(data, data.name)
    else:
        raise BadParameter("there is no such folder or file", where=str(data), fix="name the folder of the pictures")
    found = finder.found
    found.passed = +found.passed
    found.samples.sort(key=lambda sample: sample.name)
    if not found.samples:
        raise BadParameter(f"holds no picture to train on{explain_left_out(found)}", where=str(data), fix=FIX)
    return found


def explain_left_out(found: Found) -> str:
    """What a folder holds instead of pictures, in brackets; empty for nothing."""
    listed = [f"{name}: {reason}" for name, reason in found.left_out[:3]]
    more = [f"{len(found.left_out) - 3} more"] if len(found.left_out) > 3 else []
    passed = [f"{count} {reason}" for reason, count in found.passed.items()]
    return f" ({'; '.join([*listed, *more, *passed])})" if listed or passed else ""


class _Finder:
    def __init__(self, data: Path, trigger: str, masks: str, tick: Callable[[int], None]) -> None:
        self.data, self.trigger, self.tick = data, trigger, tick
        self.found = Found()
        self._beside = masks == BESIDE
        self._folder = None if self._beside or not masks else Path(masks)
        self._masks: MaskFolder | None = None

    def add_folder(self) -> None:
        """Everything below the folder."""
        try:
            walk = walk_folder(self.data, recursive=True)
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise BadParameter(what, where=str(self.data), fix="check its permissions") from error
        self.found.passed.update(walk.passed)
        listed = [path for path in walk.files if not is_in_run(path, self.data)]
        maps = find_maps(path for path in listed if path.suffix.lower() in SUFFIXES)
        self.found.passed.update({RUNS: len(walk.files) - len(listed), MAPS: len(maps)})
        self._add_files([path for path in listed if path not in maps])

    def _add_files(self, listed: list[Path]) -> None:
        metadata = self._read_metadata([file for file in listed if file.name == METADATA])
        pictures = [path for path in listed if path.suffix.lower() in SUFFIXES]
        masks = pair_masks(pictures)
        if self._folder is not None:
            self._masks = MaskFolder(self._folder, (path.relative_to(self.data) for path in pictures))
        if masks and not self._beside:
            self.found.notes[f"masks beside pictures are not used; give --masks {BESIDE} to use them"] += len(masks)
        files, owned = set(listed), set(masks.values())
        self._note_shared([path for path in pictures if path not in owned and path not in metadata], files)
        for path in listed:
            if path.suffix.lower() in SUFFIXES:
                if path not in owned:
                    self._add_picture(path, files, metadata.get(path), masks.get(path))
            elif path.suffix.lower() == ".tar":
                self.add_shard(path, self._name(path))
            elif path.suffix.lower() not in ENDINGS and path.name != METADATA:
                self.found.passed[f"of another format ({path.suffix.lower() or 'no ending'})"] += 1
        for path in sorted(metadata.keys() - files):
            self.found.left_out.append((self._name(path), f"is in {METADATA} and not in the folder"))

    def _note_shared(self, pictures: list[Path], files: set[Path]) -> None:
        stems = Counter(path.with_suffix("") for path in pictures)
        if again := sum(count for stem, count in stems.items() if count > 1 and files & set(list_beside(stem))):
            self.found.notes["pictures share a caption file, as their names differ in the ending only"] += again

    def add_shard(self, path: Path, label: str) -> None:
        """The pictures of a shard."""
        shard = read_shard(path, label)
        self.found.left_out += [*shard.left_out, *([(label, shard.fault)] if shard.fault else [])]
        for entry in shard.entries.values():
            picture = find_picture(entry)
            if picture is None:
                self.found.passed["entries of shards without a picture"] += 1
            else:
                caption = self._read_first(entry[ending] for ending in ENDINGS if ending in entry)
                self._add(picture, caption, mask=find_mask(entry) if self._beside else None)
                reason = f"has the name of {picture.name}, which is used"
                self.found.left_out += [(other.name, reason) for other in find_others(entry)]

    def _read_metadata(self, files: list[Path]) -> dict[Path, dict[str, Any]]:
        found: dict[Path, dict[str, Any]] = {}
        for path, entry in chain.from_iterable(map(self._list, files)):
            if path in found:
                self.found.notes[f"lines of {METADATA} name a picture again: the last one counts"] += 1
            found[path] = entry
        return found

    def _list(self, file: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Entries of a metadata.jsonl by the path of their picture."""
        name = self._name(file)
        try:
            lines = read_regular_file(file).decode("utf-8-sig", "replace").splitlines()
        except OSError as error:
            self.found.left_out.append((name, f"cannot be read ({error.strerror or error})"))
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                entry = parse_entry(line)
                path = None if entry is None else _locate(file.parent, entry.get("file_name"))
                if entry is None or path is None:
                    self.found.left_out.append((f"{name}, line {number}", "is no JSON with a file_name in the folder"))
                else:
                    yield path, entry

    def _add_picture(self, path: Path, files: set[Path], entry: dict[str, Any] | None, mask: Path | None) -> None:
        caption = find_caption(entry)
        beside = list_beside(path.with_suffix(""))
        caption = caption or self._read_first(self._member(one) for one in beside if one in files)
        if self._masks is not None:
            mask = self._masks.find(path.relative_to(self.data))
        folder, repeats = self._read_folders(path)
        fields = {key: value for key, value in (entry or {}).items() if isinstance(value, str)}
        own = self._member(mask) if mask is not None and (self._beside or self._masks is not None) else None
        self._add(self._member(path), caption, folder=folder, repeats=repeats, mask=own, fields=fields)

    def _add(self, picture: Member, caption: Caption | None, **values: Any) -> None:
        try:
            digest = hashlib.sha256(picture.read()).hexdigest()
        except BadImage as error:
            self.found.left_out.append((picture.name, error.what))
            return
        text, notes = self._choose(caption, values.get("folder", ""))
        self.found.notes.update(notes)
        self.found.of_captions[picture.name] = notes
        self.found.samples.append(Sample(name=picture.name, digest=digest, read=picture.read, caption=text, **values))
        self.tick(len(self.found.samples))

    def _choose(self, caption: Caption | None, folder: str) -> tuple[str, list[str]]:
        """The caption, or what takes its place, and notes on it."""
        if caption is not None:
            notes = [f"captions: the file {caption.note}"] if caption.note else []
            return caption.text, notes if caption.text else [*notes, "captions are empty"]
        text, source = (self.trigger, "the trigger word") if self.trigger else (folder, "the name of the folder")
        return text, [f"pictures have no caption: {f'{text!r}, {source}' if text else 'an empty one'} takes its place"]

    def _read_first(self, members: Iterable[Member]) -> Caption | None:
        """The caption in the first file that holds one."""
        for member in members:
            try:
                caption = read_caption(member.name, member.read())
            except (BadImage, ValueError) as error:
                reason = error.what if isinstance(error, BadImage) else str(error)
                self.found.left_out.append((member.name, f"{reason}: it is not used as a caption"))
                continue
            if caption is not None:
                return caption
        return None

    def _read_folders(self, path: Path) -> tuple[str, int]:
        """Words of the folder's name and repeats, as kohya has them: 10_name."""
        for part in reversed(path.relative_to(self.data).parent.parts):
            if (match := REPEATS.match(part)) is not None:
                repeats = max(1, int(match[1]))
                self.found.notes[f"pictures count {repeats} times, as their folder's name {part} says"] += 1
                return match[2].replace("_", " ").strip(), repeats
        return "", 1

    def _name(self, path: Path) -> str:
        return path.relative_to(self.data).as_posix() if path.is_relative_to(self.data) else str(path)

    def _member(self, path: Path) -> Member:
        name = self._name(path)
        return Member(name, partial(read_picture_file, path, name))


def read_picture_file(path: Path, name: str) -> bytes:
    """Bytes of a file. Raises BadImage for one that cannot be read, or is larger than any picture."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise BadImage(f"is {size} bytes long, more than {MOST_BYTES}", where=name)
        return read_regular_file(path)
    except (OSError, ValueError) as error:
        raise BadImage(f"cannot be read ({getattr(error, 'strerror', None) or error})", where=name) from error


def _locate(folder: Path, name: object) -> Path | None:
    """The path that a metadata.jsonl names, unless it leads out of its folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        return None
    path = Path(name.replace("\\", "/"))
    return None if path.is_absolute() or ".." in path.parts else folder / path
