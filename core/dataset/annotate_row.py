"""One row: decoded, filtered, annotated, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadImage, UnderdrawingError
from ..images.geometry import Size
from ..tiling.options import LESS_MEMORY
from .facts import find_facts
from .filters import refuse_maps, refuse_picture
from .random_values import draw_values
from .records import RowRecord
from .rows import RowResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ..annotator import Annotator, ControlMap
    from ..images.reading import Picture
    from .facts import MapFacts
    from .job import Job, JobAnnotator
    from .rows import Row

CAPTIONS = ("text", "txt", "caption", "prompt")
"""Fields that are tried for the caption where none is named."""
PICTURE, ERROR, MEMORY = "picture", "error", "memory"
"""Kinds of reasons besides those of filters: it cannot be read, the annotator failed, it is too large for memory."""


def annotate_row(job: Job, row: Row, annotators: Mapping[str, Annotator[Any]]) -> RowResult:
    """Make the maps of a row; where that fails, or a filter refuses it, the record of the result says why.

    Raises UnderdrawingError for what other rows would not survive either: weights, packages, parameters.
    """
    record = RowRecord(key=row.key, index=row.index)
    try:
        if row.problem:
            raise BadImage(row.problem)
        picture = _read_picture(row, job)
    except BadImage as error:
        return RowResult(record=_refuse(record, PICTURE, _describe(error, row)))
    height, width = picture.pixels.shape[:2]
    record = msgspec.structs.replace(record, width=width, height=height, notes=picture.notes)
    if refusal := refuse_picture(job.filters, Size(height, width)):
        return RowResult(record=_refuse(record, *refusal))
    try:
        result = _annotate(job, record, picture.pixels, annotators)
    except MemoryError:
        return RowResult(record=_refuse(record, MEMORY, f"there is not enough memory for it: {LESS_MEMORY}"))
    except BadImage as error:
        return RowResult(record=_refuse(record, PICTURE, _describe(error, row)))
    except UnderdrawingError:
        raise
    except Exception as error:  # noqa: BLE001 - one picture must not end a run over many
        return RowResult(record=_refuse(record, ERROR, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))
    if refusal := refuse_maps(job.filters, result.record.facts):
        return RowResult(record=_refuse(result.record, *refusal))
    if job.layout != "diffusers":
        return result
    record = msgspec.structs.replace(result.record, text=find_caption(row, job.text))
    return msgspec.structs.replace(result, record=record, picture=_encode_picture(picture.pixels))


def _read_picture(row: Row, job: Job) -> Picture:
    from ..images.reading import decode_file, read_pictures

    if row.picture is not None:
        return decode_file(row.picture, row.key, job.resolution)
    return read_pictures(Path(row.path or ""), resolution=job.resolution)[0]


def _describe(error: BadImage, row: Row) -> str:
    """Reason without the row's own name, which stands beside it; the path that a table names is no such name."""
    where = Path(error.where)
    own = error.where == row.key or row.key in (where.as_posix()[-len(row.key) :], _strip_ending(where, row.key))
    return str(BadImage(error.what, where="" if own else error.where, fix=error.fix))


def _strip_ending(path: Path, key: str) -> str:
    """As much of a path's end, without its ending, as a key is long."""
    return path.with_suffix("").as_posix()[-len(key) :] if path.name else ""


def _refuse(record: RowRecord, kind: str, reason: str) -> RowRecord:
    return msgspec.structs.replace(record, refused=reason, kind=kind)


def _annotate(
    job: Job, record: RowRecord, pixels: NDArray[np.uint8], annotators: Mapping[str, Annotator[Any]]
) -> RowResult:
    from ..images.writing import encode_png

    maps: dict[str, bytes] = {}
    params: dict[str, dict[str, Any]] = {}
    facts: dict[str, MapFacts] = {}
    notes = list(record.notes)
    for one in job.annotators:
        params[one.name], result = _run(one, annotators[one.name], pixels, job, record.key)
        facts[one.name] = find_facts(annotators[one.name].spec, result)
        maps[one.name] = encode_png(result.images[0], result.info)
        notes += [f"{one.name}: {note}" for note in result.notes]
    record = msgspec.structs.replace(record, params=params, facts=facts, notes=tuple(dict.fromkeys(notes)))
    return RowResult(record=record, maps=maps)


def _run(
    one: JobAnnotator, annotator: Annotator[Any], pixels: NDArray[np.uint8], job: Job, key: str
) -> tuple[dict[str, Any], ControlMap]:
    values = {**one.params, **draw_values(one.random, job.seed, key, one.name)}
    return values, annotator(pixels[None], annotator.params(**values), resolution=job.resolution)


def _encode_picture(pixels: NDArray[np.uint8]) -> bytes:
    import io

    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", compress_level=4)
    return target.getvalue()


def find_caption(row: Row, field: str) -> str:
    """Caption of a row: that of a field, or of the first usual one; empty without one."""
    for name in [field] if field else CAPTIONS:
        value = row.fields.get(name)
        if isinstance(value, bytes):
            value = value.decode("utf-8-sig", "replace")
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    return ""
