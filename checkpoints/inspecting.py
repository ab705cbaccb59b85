"""What a checkpoint holds, from its header and its bytes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.command_name import quote
from ..core.files import hash_file
from ..core.operation import Report
from ..core.regular_files import open_regular_file
from ..core.report_text import printable
from ..core.tensor_files.safetensors_io import read_header
from ..core.tensor_files.torch_files import PICKLED
from .blocks import find_block
from .families import find_family
from .graph import Graph, find_dtype_of
from .keys import EMA, find_part
from .layouts.folder_reader import hash_model
from .live_models import LiveModel, hash_live, make_plain_recipe, name_checkpoint
from .metadata import A1111_MODELS, A1111_RECIPE, hash_legacy, parse_json, read_recipe_of
from .recipe import Live, encode_recipe, hash_recipe, list_sources
from .thumbnails import describe_thumbnail, write_thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable

    from .families import Family
    from .recipe import Node
    from .values import Values

_PIECE = 1 << 20


def inspect_checkpoint(
    checkpoint: Path | LiveModel, progress: Callable[[int, int], None], thumbnail: Path | None = None
) -> Report:
    """Family, dtype, parts, blocks, hashes and recipe of a file. thumbnail: where its picture is written, as
    `write_thumbnail`.

    Raises BadWeights, UnsafeFile, and what `write_thumbnail` raises.
    """
    recipe = make_plain_recipe(checkpoint)
    with ExitStack() as stack:
        values = Graph(recipe, stack, {}, {}).build(recipe.node)
        family = find_family(values.entries, values.metadata)
        data = {"file": name_checkpoint(checkpoint), **_describe_values(values, family)}
        metadata = dict(values.metadata)
    live = isinstance(checkpoint, LiveModel)
    data |= {"tensors_sha256": hash_live(checkpoint, progress)} if live else hash_checkpoint(checkpoint, progress)
    data |= _describe_metadata(metadata, is_folder=isinstance(checkpoint, Path) and checkpoint.is_dir())
    name = Path(name_checkpoint(checkpoint)).stem
    picture, notes = _write_picture(metadata, thumbnail, name) if thumbnail is not None else (None, ())
    files = (picture,) if picture is not None else ()
    return Report(text=_describe(data, family.title), data=data, notes=notes, files=files)


def _write_picture(metadata: dict[str, str], place: Path, name: str) -> tuple[Path | None, tuple[str, ...]]:
    """Where a model's picture was written, and notes."""
    replaces = place.is_file()
    picture = write_thumbnail(metadata, place, name)
    if picture is None:
        return None, (f"{name} has no thumbnail",)
    return picture, (f"{picture}: the file that was there is replaced",) if replaces else ()


def _describe_values(values: Values, family: Family) -> dict[str, Any]:
    source = values.find_source(next(iter(values.entries)))
    every = source[0].reader.entries if source else values.entries
    return {
        "family": family.id,
        "variant": family.variant,
        "dtype": find_dtype_of(values),
        "keys": len(every),
        "parameters": sum(entry.numel for entry in values.entries.values()),
        "parts": dict(Counter(find_part(key) or "other" for key in every)),
        "blocks": dict(sorted(Counter(find_block(key, family) for key in values.entries).items())),
        "ema": any(key.startswith(EMA) for key in every),
    }


def _describe_metadata(metadata: dict[str, str], *, is_folder: bool) -> dict[str, Any]:
    node = read_recipe_of(metadata)
    out = "OUT" if is_folder else "OUT.safetensors"
    return {
        "recipe": json.loads(encode_recipe(node)) if node is not None else None,
        "recipe_sha256": hash_recipe(node) if node is not None else None,
        "command": _write_command(node, out) if node is not None and not _takes_live(node) else None,
        "a1111_recipe": parse_json(metadata.get(A1111_RECIPE, "")),
        "ancestry": parse_json(metadata.get(A1111_MODELS, "")),
        "thumbnail": describe_thumbnail(metadata),
        "metadata": {key: value for key, value in metadata.items() if len(value) <= 1000},
    }


def hash_checkpoint(path: Path, progress: Callable[[int, int], None]) -> dict[str, str]:
    """sha256, its first 10 digits, A1111's old hash, and that of the tensors alone, in one pass. Raises OSError.

    Of a folder, the first two, of the names and hashes of its files of weights.
    """
    if path.is_dir():
        digest = hash_model(path, hash_file)
        return {"sha256": digest, "short_hash": digest[:10]}
    whole, tensors, done = hashlib.sha256(), hashlib.sha256(), 0
    begin = 0 if path.suffix.lower() in PICKLED else read_header(path).data
    size = path.stat().st_size
    with open_regular_file(path) as stream:
        while piece := stream.read(_PIECE if done >= begin else begin):
            whole.update(piece)
            if done >= begin:
                tensors.update(piece)
            done += len(piece)
            progress(done, size)
    digest = whole.hexdigest()
    return {
        "sha256": digest,
        "short_hash": digest[:10],
        "old_hash": hash_legacy(path),
        **({"tensors_sha256": tensors.hexdigest()} if begin else {}),
    }


def _takes_live(node: Node) -> bool:
    """Whether a recipe takes models that a host had loaded, which no command can name."""
    return any(isinstance(source, Live) for source in list_sources(node))


def _write_command(node: Node, out: str) -> str:
    """A command that makes the file again, in the folder of its inputs."""
    return f"underdrawing checkpoint merge --recipe {quote([encode_recipe(node)])} -o {out}"


def _describe_hashes(data: dict[str, Any]) -> str:
    if "sha256" not in data:
        return f"  tensors_sha256 {data['tensors_sha256']}"
    old = f", old {data['old_hash']}" if "old_hash" in data else ""
    tensors = f"\n  tensors_sha256 {data['tensors_sha256']}" if "tensors_sha256" in data else ""
    return f"  sha256 {data['sha256']} (short {data['short_hash']}{old}){tensors}"


def _describe(data: dict[str, Any], title: str) -> str:
    parts = ", ".join(f"{count} {part}" for part, count in data["parts"].items())
    lines = [
        f"{data['file']}: {title}, {data['dtype']}, {data['keys']} keys ({parts}), {data['parameters']} parameters",
        _describe_hashes(data),
    ]
    if picture := data["thumbnail"]:
        size = picture.get("problem") or f"{picture['format']}, {picture['width']} x {picture['height']}"
        lines.append(f"  thumbnail: {size}")
    if data["command"]:
        lines.append(f"  made by: {data['command']}")
    if isinstance(data["ancestry"], dict):
        known = {sha256: one for sha256, one in data["ancestry"].items() if isinstance(one, dict)}
        names = ", ".join(f"{printable(one.get('name'))} ({printable(sha256[:10])})" for sha256, one in known.items())
        lines.append(f"  from: {names}")
    return "\n".join(lines)
