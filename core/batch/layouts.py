"""Where maps are written below the output folder, and what stands beside them, for those who train on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import BadImage
from ..files import atomic_write
from ..regular_files import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..images.reading import Picture

Layout = Literal["suffix", "plain", "diffusers"]
"""``photo.canny.png``; ``canny/photo.png``; ``conditioning_image/photo.png`` beside image and metadata.jsonl."""
LAYOUTS = get_args(Layout)
CAPTIONS = (".txt", ".caption")
"""Endings of files with the caption of the picture beside them."""
METADATA = "metadata.jsonl"
IMAGES, MAPS = "image", "conditioning_image"
_LONGEST_CAPTION = 1 << 20


def build_output(layout: Layout, place: str, name: str, *, several: bool) -> str:
    """Path of a map below the output folder. place: folder and stem. name: the annotator's. several: of annotators."""
    if layout == "suffix":
        return f"{place}.{name}.png"
    if layout == "plain":
        return f"{name}/{place}.png"
    return f"{name}/{MAPS}/{place}.png" if several else f"{MAPS}/{place}.png"


def find_image(output: str) -> str:
    """Path of the picture that belongs to a map of the layout "diffusers"."""
    before, _, after = f"/{output}".partition(f"/{MAPS}/")
    return f"{before}/{IMAGES}/{after}".lstrip("/")


def read_caption(path: Path) -> str:
    """Caption in a text file beside a picture; empty without one. Raises BadImage."""
    for suffix in CAPTIONS:
        beside = path.with_suffix(suffix)
        try:
            if not beside.is_file():
                continue
            data = read_regular_file(beside)[:_LONGEST_CAPTION]
        except OSError as error:
            raise BadImage(f"its caption cannot be read ({error.strerror or error})", where=str(beside)) from error
        try:
            return " ".join(data.decode("utf-8-sig").split())
        except UnicodeDecodeError as error:
            raise BadImage("its caption is not UTF-8", where=str(beside), fix="save it as UTF-8") from error
    return ""


def count_captions(entries: Iterable[dict[str, Any]]) -> str:
    """How many pictures of datasets have no caption, in words; empty where all have one."""
    made = [one for one in entries if one.get("layout") == "diffusers" and one["status"] == "done"]
    pictures = {find_image(one["output"]).rpartition(f"{IMAGES}/")[2]: one.get("text", "") for one in made}
    lacking = sum(not text for text in pictures.values())
    if not lacking:
        return ""
    return f"{lacking} of {len(pictures)} pictures have no caption ({', '.join(CAPTIONS)}): their text is empty"


def describe_layout(layout: Layout, picture: Picture) -> tuple[str, ...]:
    """Notes on a picture that trainers would read otherwise than it was annotated."""
    if layout == "plain" and picture.orientation != 1:
        what = f"it is stored turned (EXIF orientation {picture.orientation}), and its map is upright"
        return (f"{what}: save the picture upright, as trainers may not turn it",)
    return ()


def write_image(picture: Picture, path: Path) -> Path:
    """Write a picture as trainers read it: upright, sRGB, no transparency. Raises WriteFailed."""
    import io

    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(picture.pixels).save(target, "PNG", compress_level=4)
    return atomic_write(path, target.getvalue())


def write_metadata(folder: Path, entries: Iterable[dict[str, Any]], earlier: Iterable[dict[str, Any]] = ()) -> int:
    """Write metadata.jsonl of each dataset below a folder, from the entries of its manifest. Raises WriteFailed.

    A line names picture and map relative to it, as Hugging Face's image folders do: the columns are ``image``,
    ``conditioning_image`` and ``text``. earlier: entries before this run. What they did not write is the user's and
    stays: lines of other pictures, and texts that were edited. Gives how many lines that are.
    """
    written = {place: dict(rows) for place, rows in _list_rows(earlier)}
    kept = 0
    for place, rows in _list_rows(entries):
        path = folder / place / METADATA
        lines, found = _merge_lines(path, dict(rows), written.get(place, {}))
        kept += found
        atomic_write(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
    return kept


def _list_rows(entries: Iterable[dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Each dataset below the folder, with its rows by the names of their pictures."""
    places: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for entry in entries:
        if entry.get("layout") != "diffusers" or entry["status"] != "done":
            continue
        before, _, after = f"/{entry['output']}".partition(f"/{MAPS}/")
        name = f"{IMAGES}/{after}"
        row = {"file_name": name, f"{MAPS}_file_name": f"{MAPS}/{after}", "text": entry.get("text", "")}
        places.setdefault(before.lstrip("/"), []).append((name, row))
    yield from places.items()


def _merge_lines(
    path: Path, rows: dict[str, dict[str, Any]], written: dict[str, dict[str, Any]]
) -> tuple[list[str], int]:
    """Lines of a file with what is the user's in it, and how many of them are. rows, written: now and before."""
    own: list[str] = []
    kept = 0
    for line in read_regular_file(path).decode("utf-8", "replace").split("\n") if path.is_file() else ():
        row = _read_row(line)
        name = str(row.get("file_name"))
        if name not in rows and name not in written and line.strip():
            own.append(line)
            kept += 1
        elif name in rows and row not in (rows[name], written.get(name)):
            rows[name] = {**rows[name], **row}
            kept += 1
    return [*(json.dumps(row, ensure_ascii=False) for row in rows.values()), *own], kept


def _read_row(line: str) -> dict[str, Any]:
    """A line; nothing where it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
