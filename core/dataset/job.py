"""Settings of a run over a data set: picklable, and hashed so that no run goes on with others."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from ..errors import WriteFailed
from .options import KEY, DatasetLayout, FilterParams, Format, OnError
from .random_values import RandomValue


class JobAnnotator(msgspec.Struct, frozen=True, kw_only=True):
    """One annotator of a job. name: as the user gave it. params: all that are fixed. random: all that are drawn.

    weights: id → SHA-256 of all files that any of the parameters may need.
    """

    name: str
    id: str
    version: int
    params: dict[str, Any] = {}
    random: dict[str, RandomValue] = {}
    weights: dict[str, str] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A run. source, destination: as given. image, key, text: fields of a row with its picture, name and caption.
    allow_outside: paths in tables may lead out of the table's folder.
    resolution: shorter side of the maps, 0 for maps as large as their pictures. tile, overlap: of larger maps, 0:
    one piece. shard_size: pictures of a folder in one shard.
    """

    source: str
    destination: str
    annotators: tuple[JobAnnotator, ...]
    format: Format = "folder"
    layout: DatasetLayout = "sidecar"
    image: str = ""
    key: str = KEY
    text: str = ""
    allow_outside: bool = False
    resolution: int = 0
    tile: int = 0
    overlap: int = 0
    filters: FilterParams = FilterParams()
    on_error: OnError = "skip"
    seed: int = 0
    shard_size: int = 1000
    device: str = "auto"
    dtype: str = "auto"
    backend: str = "torch"

    def settings(self) -> dict[str, Any]:
        """All that decides the bytes of a shard, as JSON. Where the rows come from is part of the shards."""
        found: dict[str, Any] = json.loads(msgspec.json.encode(self))
        return {name: value for name, value in found.items() if name not in ("source", "destination")}

    def hash_settings(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one shard. source: the shard's digest. files: path below the destination → SHA-256.

    place: folder for files that are named by keys, as keys of two tars or tables may be equal; with a slash at its end.
    refused: (key, kind, reason) of the rows without maps. without_caption: rows with maps whose caption is empty, of
    layouts that hold captions. inputs: picture of a folder → stamp of what was annotated. seconds: that it took; not
    recorded.
    """

    name: str
    source: str = ""
    place: str = ""
    rows: int = 0
    written: int = 0
    refused: tuple[tuple[str, str, str], ...] = ()
    without_caption: int = 0
    files: dict[str, str] = {}
    inputs: dict[str, str] = {}
    seconds: float = 0.0


class NameTaken(WriteFailed):
    """A file that this run did not write, or that was changed since, has the name of one of a shard's files."""
