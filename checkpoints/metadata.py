"""What a merged checkpoint says of itself: our recipe, and A1111's of the same merge with its inputs' ancestry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..adapters.tools.save import make_provenance
from ..core.errors import BadParameter, BadWeights, UnderdrawingError
from ..core.regular_files import open_regular_file
from ..core.tensor_files.safetensors_io import read_header
from .layouts.folder_reader import list_model_files
from .recipe import (
    Apply,
    BakeVae,
    Cast,
    Live,
    Load,
    decode_recipe,
    encode_recipe,
    hash_recipe,
    list_sources,
    write_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .recipe import Node, Recipe
    from .values import Values

OWN = "underdrawing_recipe"
A1111_RECIPE, A1111_MODELS = "sd_merge_recipe", "sd_merge_models"
MODEL_SPECS = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-512",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl_refiner": "stable-diffusion-xl-v1-refiner",
}
"""Family → name in Stability's model specification."""
_DROPPED = ("modelspec.", A1111_RECIPE, A1111_MODELS, OWN)
_ROLES = ("primary", "secondary", "tertiary")
_MAX_JSON, _MAX_DEPTH = 1 << 22, 64


def make_metadata(
    pinned: Node, first: Values, family: tuple[str, str], recipe: Recipe, hashes: Mapping[str, str]
) -> dict[str, str]:
    """Metadata of a result. pinned: the recipe with hashes; family: id and variant of the first input.

    No dates and no folders: the same merge gives the same bytes wherever and whenever it is made.
    """
    kept = {key: value for key, value in first.metadata.items() if not key.startswith(_DROPPED)}
    sources = list_sources(recipe.node)
    architecture = MODEL_SPECS.get(family[0], "")
    spec = {"modelspec.sai_model_spec": "1.0.0", "modelspec.implementation": "sgm"} if architecture else {}
    if architecture:
        variant = f"/{family[1]}" if family[1] else ""
        spec |= {"modelspec.architecture": f"{architecture}{variant}"}
        spec |= {"modelspec.merged_from": ", ".join(map(_name_source, sources))}
    step = {"tool": "merge", "recipe_sha256": hash_recipe(pinned)}
    return {
        **kept,
        "format": "pt",
        **spec,
        OWN: encode_recipe(pinned),
        A1111_RECIPE: json.dumps(_make_a1111_recipe(recipe.node, family[1], hashes)),
        A1111_MODELS: json.dumps(_make_a1111_models(recipe, sources, hashes)),
        **make_provenance(step, first.metadata),
    }


def _make_a1111_recipe(node: Node, variant: str, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The fields that A1111's merger writes, as far as its words reach; type says who wrote them."""
    dtype = "auto"
    vae = None
    while isinstance(node, (Cast, BakeVae)):
        if isinstance(node, BakeVae):
            vae = vae or write_name(node.vae.path)
        elif node.dtype != "auto" and dtype == "auto":
            dtype = node.dtype
        node = node.input
    found = {f"{role}_model_hash": None for role in _ROLES}
    for role, source in zip(_ROLES, list_sources(node), strict=False):
        found[f"{role}_model_hash"] = hashes[source.path if isinstance(source, Load) else source.name]  # type: ignore[assignment]
    titles = {
        "weighted_sum": "Weighted sum",
        "add_difference": "Add difference",
        "no_interpolation": "No interpolation",
    }
    method = node.method if isinstance(node, Apply) else "no_interpolation"
    return {
        "type": "underdrawing",
        **found,
        "interp_method": titles.get(method, method),
        "multiplier": node.params.get("alpha") if isinstance(node, Apply) else None,
        "save_as_half": dtype == "fp16",
        "custom_name": None,
        "config_source": None,
        "bake_in_vae": vae,
        "discard_weights": "",
        "is_inpainting": variant == "inpainting",
        "is_instruct_pix2pix": variant == "instruct-pix2pix",
    }


def _name_source(source: Load | Live) -> str:
    return Path(write_name(source.path)).stem if isinstance(source, Load) else source.name


def _make_a1111_models(recipe: Recipe, sources: list[Load | Live], hashes: Mapping[str, str]) -> dict[str, Any]:
    """sha256 → name, legacy hash and recipe of every input, and of what its own inputs were."""
    found: dict[str, Any] = {}
    for load in sources:
        if isinstance(load, Live):
            found[hashes[load.name]] = {"name": load.name, "legacy_hash": None, A1111_RECIPE: None}
            continue
        path = recipe.find(load.path)
        metadata = read_metadata(list_model_files(path)[0])
        entry = {
            "name": write_name(path),
            "legacy_hash": None if path.is_dir() else hash_legacy(path),
            A1111_RECIPE: parse_json(metadata.get(A1111_RECIPE, "")),
        }
        found[hashes[load.path]] = entry
        earlier = parse_json(metadata.get(A1111_MODELS, ""))
        found |= {key: value for key, value in earlier.items() if key not in found} if isinstance(earlier, dict) else {}
    return found


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file; empty for any other."""
    if path.suffix.lower() != ".safetensors":
        return {}
    try:
        return read_header(path).metadata
    except BadWeights:
        return {}


def read_recipe_of(metadata: Mapping[str, str]) -> Node | None:
    """The recipe that a file was made by; None where there is none, it is not readable, or the file was changed since.

    Programs that change a file's tensors keep its metadata: our own add a step, A1111's merger its own recipe.
    """
    if OWN not in metadata or not _is_last(metadata):
        return None
    try:
        return decode_recipe(metadata[OWN]).node
    except (BadParameter, UnderdrawingError):
        return None


def _is_last(metadata: Mapping[str, str]) -> bool:
    """Whether the merge of our recipe is the last thing that was done to a file, as far as the file says."""
    table, theirs = (parse_json(metadata.get(key, "")) for key in ("underdrawing", A1111_RECIPE))
    steps = table.get("steps") if isinstance(table, dict) else None
    last = steps[-1] if isinstance(steps, list) and steps else None
    own = not isinstance(last, dict) or last.get("tool") == "merge"
    return own and (not isinstance(theirs, dict) or theirs.get("type") == "underdrawing")


def hash_legacy(path: Path) -> str:
    """A1111's old short hash: of 64 KiB from 1 MiB on, 8 digits. Raises OSError."""
    import hashlib

    with open_regular_file(path) as stream:
        stream.seek(0x100000)
        return hashlib.sha256(stream.read(0x10000)).hexdigest()[:8]


def parse_json(text: str) -> Any:
    """What a text of a file's metadata says; None for what is no JSON, too long, or nested without end.

    >>> parse_json('{"a": 1}'), parse_json("[" * 1000), parse_json("no")
    ({'a': 1}, None, None)
    """
    try:
        value = msgspec.json.decode(text) if text and len(text) <= _MAX_JSON else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return None if _is_deep(value, _MAX_DEPTH) else value


def _is_deep(value: Any, left: int) -> bool:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(_is_deep(one, left - 1) for one in below)
