"""Files of weights in the folder of one network, as diffusers and transformers write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadWeights
from .json_objects import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)(?:\.(?P<variant>[\w-]+?))?(?P<ending>\.safetensors|\.bin)"
    r"(?P<index>\.index(?:\.(?P<late>[\w-]+))?\.json)?"
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_AGAIN = "download the folder again"


class WeightFiles(NamedTuple):
    """Files of one network. variant: "fp16" and the like, empty for the plain ones."""

    paths: tuple[Path, ...]
    variant: str


def find_weight_files(folder: Path) -> WeightFiles:
    """Files of weights in the folder of one network: plain before variants, safetensors before pickled ones.

    Raises BadWeights when there is none, or one of several is missing.
    """
    paths = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    found = [(*order, path) for path in paths if (order := _rank_name(path.name)) is not None]
    if not found:
        fix = f"{_AGAIN}, with its .safetensors files"
        raise BadWeights("holds no file of weights", where=str(folder), fix=fix)
    _, _, variant, path = min(found)
    return WeightFiles(_list_shards(path) if path.suffix == ".json" else (path,), variant)


def _rank_name(name: str) -> tuple[bool, bool, str] | None:
    """How late a file is taken (variant? pickled?), and its variant; None for no weights, or one file of several."""
    match = _NAME.fullmatch(name)
    if match is None or _SHARD.search(name):
        return None
    variant = match["variant"] or match["late"] or ""
    return variant != "", match["ending"] != ".safetensors", variant


def _list_shards(index: Path) -> tuple[Path, ...]:
    """Files that an index names, which stand beside it."""
    table = read_json(index).get("weight_map")
    names = _sort_names(table.values()) if isinstance(table, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise BadWeights("is no list of files beside it", where=str(index), fix=_AGAIN)
    paths = tuple(index.with_name(name) for name in names)
    if missing := [path.name for path in paths if not path.is_file()]:
        raise BadWeights(f"names {', '.join(missing)}, which is not there", where=str(index), fix=_AGAIN)
    return paths


def _sort_names(names: Iterable[object]) -> list[str]:
    return sorted({str(name) for name in names})
