"""Recipes: a merge as data. A tree of nodes, JSON in and out, whose hash says what comes out of it.

>>> recipe = decode_recipe('{"type": "apply", "method": "weighted_sum", "params": {"alpha": 0.3},'
...     '"inputs": [{"type": "load", "path": "a.safetensors"}, {"type": "load", "path": "b.safetensors"}]}')
>>> recipe.node.method, [load.path for load in list_loads(recipe.node)]
('weighted_sum', ['a.safetensors', 'b.safetensors'])
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..core.errors import BadParameter
from ..core.regular_files import read_text_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .live_models import LiveModel

DType = Literal["auto", "fp16", "bf16", "fp32"]
Part = Literal["unet", "text_encoder", "vae", "ema"]
MAX_DEPTH = 64
MAX_BYTES = 4 << 20
_FIX = "see `underdrawing checkpoint merge --help`, or print a recipe with --dry-run --json"


class Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="load", omit_defaults=True):
    """A checkpoint: a file, or a folder that diffusers wrote.

    sha256: of its bytes; a file of another hash is refused. ema: what happens to averaged weights beside the others:
    left out, taken in their place, or carried along.
    """

    path: str
    sha256: str = ""
    ema: Literal["drop", "use", "keep"] = "drop"


class Live(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="live", omit_defaults=True):
    """A model that a host has loaded. name: what it is connected as; sha256: of its tensors, in a file's order."""

    name: str
    sha256: str = ""


class Lora(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A LoRA-family file with its strengths. text_encoder: None for that of the UNet. blocks: as in ``lbw=``."""

    path: str
    unet: float = 1.0
    text_encoder: float | None = None
    blocks: str = ""
    sha256: str = ""


class Adapt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="adapt", omit_defaults=True):
    """A checkpoint file with LoRAs baked into it."""

    input: Load
    loras: tuple[Lora, ...]


class Cast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="cast", omit_defaults=True):
    """The same in another dtype. drop: parts that are left out."""

    input: Node
    dtype: DType = "auto"
    drop: tuple[Part, ...] = ()


class BakeVae(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="bake_vae", omit_defaults=True
):
    """The same with another VAE, from a VAE file or a whole checkpoint."""

    input: Node
    vae: Load


class Apply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="apply", omit_defaults=True):
    """A merge method on checkpoints, the first of which the others go into.

    params: of the method. blocks: weights in place of alpha, block by block; beta_blocks: of beta. elements: rules
    ``blocks:words:weight`` that come before them. vae: the first input's, or merged as the rest. arithmetic: exact, or
    as A1111's checkpoint merger computes (in the files' own dtype, VAE included).
    """

    method: str
    inputs: tuple[Node, ...]
    params: dict[str, int | float | bool | str] = {}
    blocks: str = ""
    beta_blocks: str = ""
    elements: str = ""
    vae: Literal["keep", "merge"] = "keep"
    arithmetic: Literal["exact", "a1111"] = "exact"


Node = Load | Live | Adapt | Cast | BakeVae | Apply


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A node and the folder that relative paths in it start from. live: models that a host has loaded, by name."""

    node: Node
    folder: str = ""
    live: Mapping[str, LiveModel] = {}

    def find(self, path: str) -> Path:
        """Where a file of the recipe is. Raises BadParameter for what no file can be called."""
        if "\0" in path:
            raise BadParameter("no file has such a name", where=path[:80], fix="write the name of a file")
        return Path(self.folder, path)


_DECODER = msgspec.json.Decoder(Node)


def decode_recipe(text: str | bytes, *, folder: str = "", where: str = "recipe") -> Recipe:
    """Read a recipe's JSON. Raises BadParameter with the place of the fault."""
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"is longer than {MAX_BYTES} bytes")
        node = _DECODER.decode(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadParameter(f"is no recipe: {error}", where=where, fix=_FIX) from error
    if _measure_depth(node) > MAX_DEPTH:
        raise BadParameter(f"nests more than {MAX_DEPTH} steps", where=where, fix="merge in two recipes")
    return Recipe(node=node, folder=folder)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; relative paths in it start from its folder. Raises BadParameter."""
    try:
        text = read_text_file(path)
    except (OSError, ValueError) as error:
        raise BadParameter(f"cannot be read ({error})", where=str(path), fix="check the name") from error
    return decode_recipe(text, folder=str(path.parent), where=str(path))


def make_recipe(value: Recipe | Node | dict[str, Any] | str | Path) -> Recipe:
    """A recipe from what a caller has: a node, its JSON as a table or text, or the path of a recipe file.

    Raises BadParameter.
    """
    if isinstance(value, Recipe):
        return value
    if isinstance(value, Node):
        return Recipe(node=value)
    if isinstance(value, dict):
        try:
            return decode_recipe(msgspec.json.encode(value))
        except (TypeError, ValueError, RecursionError) as error:
            raise BadParameter(f"is no recipe: {error}", where="recipe", fix=_FIX) from error
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return decode_recipe(value)
    return read_recipe(Path(value))


def encode_recipe(node: Node) -> str:
    """JSON of a node; what has its default is left out."""
    return msgspec.json.format(msgspec.json.encode(node), indent=0).decode()


def hash_recipe(node: Node) -> str:
    """SHA-256 of what a node does: of its JSON without the names of files and models whose hashes are known."""
    table = _drop_names(msgspec.to_builtins(node))
    return hashlib.sha256(msgspec.json.encode(table, order="sorted")).hexdigest()


def list_inputs(node: Node) -> tuple[Node, ...]:
    """Nodes right below a node."""
    match node:
        case Load() | Live():
            return ()
        case Adapt():
            return (node.input,)
        case Cast():
            return (node.input,)
        case BakeVae():
            return (node.input, node.vae)
        case Apply():
            return node.inputs


def list_loads(node: Node) -> list[Load]:
    """Checkpoints that a node reads, in order."""
    return [load for load in _iter_nodes(node) if isinstance(load, Load)]


def list_sources(node: Node) -> list[Load | Live]:
    """Checkpoints and loaded models that a node starts from, in order."""
    return [source for source in _iter_nodes(node) if isinstance(source, (Load, Live))]


def list_loras(node: Node) -> list[Lora]:
    """LoRA files that a node reads, in order."""
    return [lora for adapt in _iter_nodes(node) if isinstance(adapt, Adapt) for lora in adapt.loras]


def pin_files(node: Node, hashes: dict[str, str], name: Callable[[str], str] | None = None) -> Node:
    """The same with hashes, and names of files without folders. hashes: path, or name of a loaded model → sha256.

    name: what a path is called instead.
    """
    table = _pin(msgspec.to_builtins(node), hashes, name or write_name)
    return msgspec.convert(table, Node)


def write_name(path: str | Path) -> str:
    """Name of a file without its folder, as JSON can hold it: bytes that are no UTF-8 become question marks.

    >>> write_name("folder/\\udcff.safetensors")
    '?.safetensors'
    """
    return Path(path).name.encode("utf-8", "replace").decode()


def _iter_nodes(node: Node) -> Iterator[Node]:
    yield node
    for below in list_inputs(node):
        yield from _iter_nodes(below)


def _measure_depth(node: Node) -> int:
    return 1 + max((_measure_depth(below) for below in list_inputs(node)), default=0)


def _drop_names(value: Any) -> Any:
    if isinstance(value, dict):
        named = "name" if value.get("type") == "live" else "path"
        return {key: _drop_names(v) for key, v in value.items() if not (key == named and value.get("sha256"))}
    return [_drop_names(v) for v in value] if isinstance(value, list) else value


def _pin(value: Any, hashes: dict[str, str], name: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        pinned = {key: _pin(v, hashes, name) for key, v in value.items()}
        if isinstance(path := value.get("path"), str):
            pinned |= {"path": name(path), "sha256": hashes[path]}
        if value.get("type") == "live":
            pinned |= {"sha256": hashes[value["name"]]}
        return pinned
    return [_pin(v, hashes, name) for v in value] if isinstance(value, (list, tuple)) else value
