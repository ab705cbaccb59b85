"""Pictures of a run in files, and what its report says of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import Cancelled
from ...core.files import atomic_write
from ...core.images.writing import encode_png
from ..infotext.hashes import compare_hashes
from ..infotext.pictures import INFOTEXT, encode_picture, read_texts
from .files import describe_kept

if TYPE_CHECKING:
    from ...core.hooks import HostHooks
    from ..request import Result


def describe_picture(result: Result, path: Path, *, maps: bool) -> dict[str, Any]:
    """What the report says of a picture and of its maps, if these are wanted."""
    names = [path.with_name(f"{path.stem}-map{number}.png") for number in range(len(result.maps) if maps else 0)]
    return {
        "file": str(path),
        "maps": [str(name) for name in names],
        "seed": result.seed,
        "subseed": result.subseed,
        "seconds": round(result.seconds, 3),
        "infotext": result.infotext,
        "loras": list(result.loras),
    }


def write_picture(result: Result, row: dict[str, Any]) -> None:
    """Write a picture, and its maps beside it if they are wanted."""
    atomic_write(Path(row["file"]), encode_picture(result.pixels, result.infotext, result.request))
    for name, pixels in zip(row["maps"], result.maps, strict=False):
        atomic_write(Path(name), encode_png(pixels, {}))


def compare_files(picture: str, result: Result, host: HostHooks, *, first: bool) -> list[str]:
    """Report, once, files that are not those of the picture that is repeated."""
    if not picture or not first:
        return []
    notes = list(compare_hashes(read_texts(Path(picture)).get(INFOTEXT, ""), result.infotext))
    for note in notes:
        host.note(note)
    return notes


def report_stop(
    rows: list[dict[str, Any]], count: int, notes: list[str], error: BaseException, host: HostHooks
) -> None:
    """Say which of count pictures a stopped run has finished; a signal may come before the last one is written."""
    kept = [Path(row["file"]) for row in rows if Path(row["file"]).exists()]
    if kept or isinstance(error, (Cancelled, KeyboardInterrupt)):
        names = f": {describe_kept(kept)} in {kept[0].parent}" if kept else ""
        host.note(f"stopped: {len(kept)} of {count} pictures are finished{names}")
        finished = [{**row, "maps": [name for name in row["maps"] if Path(name).exists()]} for row in rows[: len(kept)]]
        host.keep({"pictures": finished, "notes": notes})
