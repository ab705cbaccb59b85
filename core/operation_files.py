"""Files of what operations hand on: poses as JSON, pictures as PNG, never over an input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadParameter
from .files import atomic_write

if TYPE_CHECKING:
    from .operation import Report


def write_results(report: Report, inputs: dict[str, Any], target: str) -> list[Path]:
    """Write poses and pictures of a report; returns the files. target: name of the input that says where to.

    Poses go to that file, pictures into that folder under the name of the input. Raises BadParameter, WriteFailed.
    """
    output = inputs.get(target)
    sources = [value for name, value in inputs.items() if isinstance(value, Path) and name != target]
    files = _encode(report, output, sources[0].stem) if isinstance(output, Path) and sources else {}
    for path, content in files.items():
        if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
            what = "is the file to read, which stays as it is"
            raise BadParameter(what, where=str(path), fix="choose another name")
        atomic_write(path, content)
    return list(files)


def _encode(report: Report, output: Path, stem: str) -> dict[Path, bytes]:
    files: dict[Path, bytes] = {}
    if report.poses is not None:
        documents: Any = list(report.poses) if report.batch else report.poses[0]
        files[output] = json.dumps(documents, indent=1, allow_nan=False).encode() + b"\n"
    for picture in report.pictures:
        from .images.writing import encode_png

        files[output / f"{stem}{picture.ending}.png"] = encode_png(picture.pixels, picture.info)
    return files
