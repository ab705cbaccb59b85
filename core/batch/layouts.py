"""Where maps are written below the output folder, and what stands beside them, for those who train on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import BadImage
from ..files import atomic_write
from ..regular_files import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def write_metadata(folder: Path, entries: Iterable[dict[str, Any]]) -> list[Path]:
    """Write metadata.jsonl of each dataset below a folder, from the entries of its manifest. Raises WriteFailed.

    A line names picture and map relative to it, as Hugging Face's image folders do: the columns are ``image``,
    ``conditioning_image`` and ``text``.
    """
    rows: dict[Path, list[str]] = {}
    for entry in entries:
        if entry.get("layout") != "diffusers" or entry["status"] != "done":
            continue
        output = entry["output"]
        before, _, after = f"/{output}".partition(f"/{MAPS}/")
        row = {
            "file_name": f"{IMAGES}/{after}",
            f"{MAPS}_file_name": f"{MAPS}/{after}",
            "text": entry.get("text", ""),
        }
        rows.setdefault(folder / before.lstrip("/"), []).append(json.dumps(row, ensure_ascii=False))
    for place, lines in rows.items():
        atomic_write(place / METADATA, "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
    return [place / METADATA for place in rows]
