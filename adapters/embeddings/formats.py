"""What the tables of embedding files mean: one reader per layout, the first that knows the file takes it.

Names. A1111 and ComfyUI call an embedding by its file's name, diffusers by the key in the file. Here a key that is a
name counts ("<cat-toy>", "mytok"); where a file has none (A1111 .pt, kohya, SDXL pairs, lists) it is the file's name
without its ending, and for pictures the `name` they hold, as in A1111.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...core.errors import BadWeights
from ..reading.bundled_tokens import CLONEOFSIMO_MARK, ENCODER_KEYS, PREFIX, TokenKey, read_token_key
from ..reading.dialects.base import ModuleKey, find_dialects, split_key
from ..reading.files import RawFile
from ..reading.foreign import KINDS
from .encoder_pairs import explain_unused, is_numbered, is_of_another_model, read_pair
from .source import LONGEST_NAME, Source, Tokens, TokenTable
from .vectors import assign_encoder, bad_key, read_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMELESS = frozenset({"*", "emb_params", "embedding", "embeddings", "weight", "vectors"})
PARAMS, _FLAT = "string_to_param", "string_to_param."
MOST_TOKENS = 1000


def read_tokens(source: Source) -> TokenTable:
    """Tokens of a file's content, fp32 [n, d]. Raises BadWeights naming the key, or what kind of file it is."""
    source = replace(source, content=_unwrapped(source.content))
    found = next((read(source) for knows, read in LAYOUTS if knows(source)), None)
    if found is None or not found.tokens:
        raise BadWeights("holds no embedding", where=str(source.path), fix="check what kind of file it is")
    return found


def _unwrapped(content: Any) -> Any:
    inner = content.get("state_dict") if isinstance(content, dict) else None
    return inner if isinstance(inner, dict) else content


def _single(source: Source, name: str, key: str, value: Any, layout: str) -> TokenTable:
    encoders, notes = assign_encoder(name, read_vectors(value, key, source.path))
    return TokenTable(layout, {name: encoders}, notes)


def _together(layout: str, parts: list[TokenTable], notes: tuple[str, ...] = ()) -> TokenTable:
    tokens: Tokens = defaultdict(dict)
    for part in parts:
        for token, encoders in part.tokens.items():
            tokens[token] |= encoders
    return TokenTable(layout, dict(tokens), (*notes, *(note for part in parts for note in part.notes)))


def _params(source: Source) -> TokenTable:
    """A1111: `string_to_param` holds the vectors under "*"."""
    flat = {str(key)[len(_FLAT) :]: value for key, value in source.table.items() if str(key).startswith(_FLAT)}
    params = source.table.get(PARAMS, flat)
    params = {"*": params} if isinstance(params, Tensor) else params
    if not isinstance(params, Mapping) or not params or len(params) > MOST_TOKENS:
        found = f"a table of {len(params)}" if isinstance(params, Mapping) else type(params).__name__
        what = f'holds {found}, and A1111 keeps a table of vectors there, {{"*": [n, d]}}'
        raise BadWeights(what, where=f"{source.path}, key {PARAMS!r}", fix="save it again in A1111, or as .safetensors")
    parts = [
        _single(source, source.name if len(params) == 1 or key == "*" else _name(key, source), str(key), value, "")
        for key, value in params.items()
    ]
    return _together("A1111", parts)


def _kohya(source: Source) -> TokenTable:
    found = _single(source, source.name, "emb_params", source.table["emb_params"], "kohya")
    rest = [str(key) for key, value in source.table.items() if key != "emb_params" and isinstance(value, Tensor)]
    notes = (f"{len(rest)} other tensors are not used: {explain_unused(rest)}",) if rest else ()
    return replace(found, notes=(*found.notes, *notes))


def _list(source: Source) -> TokenTable:
    """ComfyUI reads a list of tables: all vectors of one width, one after another."""
    if not all(isinstance(table, dict) for table in source.content) or len(source.content) > MOST_TOKENS:
        what = "is a bare list of tensors, as LoRA files of lora_diffusion are, not an embedding"
        raise BadWeights(what, where=str(source.path), fix="load it as a LoRA")
    parts: dict[str, list[Tensor]] = defaultdict(list)
    notes: list[str] = []
    for number, table in enumerate(source.content):
        for key, value in table.items():
            encoders, notes_here = assign_encoder(str(key), read_vectors(value, f"{number}.{key}", source.path))
            notes += notes_here
            for part, rows in encoders.items():
                parts[part].append(rows)
    return TokenTable(
        "list", {source.name: {part: _joined(rows, part, source) for part, rows in parts.items()}}, tuple(notes)
    )


def _joined(rows: list[Tensor], part: str, source: Source) -> Tensor:
    if len({one.shape[1] for one in rows}) > 1:
        widths = sorted({one.shape[1] for one in rows})
        raise bad_key(f"has vectors of different widths in one list: {widths}", part, source.path)
    return read_vectors(torch.cat(rows), part, source.path)


def _bundled(source: Source) -> TokenTable:
    """Tokens that travel in a LoRA file."""
    file = _raw(source)
    parts: list[TokenTable] = []
    mark = "LoRA file (bundled)"
    for key, value in file.tensors.items():
        learned = read_token_key(key, file)
        if isinstance(learned, TokenKey):
            parts.append(
                TokenTable("", {_name(learned.token, source): {learned.encoder: read_vectors(value, key, source.path)}})
            )
            mark = mark if key.startswith(PREFIX) else "cloneofsimo"
    rest = len(file.tensors) - len(parts)
    return _together(mark, parts, (f"{rest} other tensors belong to the LoRA",) if rest else ())


def _named(source: Source) -> TokenTable:
    """diffusers and the like: every key is a token."""
    tensors = {str(key): value for key, value in source.table.items() if isinstance(value, Tensor)}
    _refuse(source, tensors)
    if len(tensors) > MOST_TOKENS:
        raise BadWeights(f"holds {len(tensors)} tensors, more than an embedding would", where=str(source.path))
    notes = tuple(f"{str(key)[:80]!r} is no tensor" for key in list(source.table)[:8] if str(key) not in tensors)
    parts = [
        _single(source, source.name if key in NAMELESS and len(tensors) == 1 else _name(key, source), key, value, "")
        for key, value in tensors.items()
    ]
    return _together("token" if len(parts) == 1 else "tokens", parts, notes)


def _name(token: Any, source: Source) -> str:
    if not isinstance(token, str) or not token.strip() or len(token) > LONGEST_NAME:
        raise bad_key(f"is no name of 1 to {LONGEST_NAME} characters", ascii(token), source.path)
    return token


def _refuse(source: Source, tensors: dict[str, Tensor]) -> None:
    """Raise BadWeights for files that are something else, and say what."""
    keys = frozenset([*tensors, *map(str, source.table)])
    kind = next(
        (f"{kind.what} ({kind.advice})" for kind in KINDS if "embedding" not in kind.what and kind.matches(keys)), ""
    )
    file = RawFile(source.path, tensors, metadata=dict(source.metadata))
    if not kind and any(_of_a_lora(key) or _located(key, file) for key in tensors):
        kind = "a LoRA-family adapter without learned tokens (load it as a LoRA)"
    if not kind and any(key.endswith((".weight", ".bias")) for key in tensors):
        kind = "a model's weights"
    if kind:
        raise BadWeights(f"is {kind}, not an embedding", where=str(source.path), fix="choose another file")


def _of_a_lora(key: str) -> bool:
    found = split_key(key)
    return found is not None and found[1] not in ("bias", "scale", "weight")


def _located(key: str, file: RawFile) -> bool:
    return any(isinstance(dialect.locate(key, file), ModuleKey) for dialect in find_dialects())


def _raw(source: Source) -> RawFile:
    tensors = {str(key): value for key, value in source.table.items() if isinstance(value, Tensor)}
    return RawFile(source.path, tensors, metadata=dict(source.metadata))


def _carries_tokens(source: Source) -> bool:
    marked = CLONEOFSIMO_MARK in source.metadata.values()
    return marked or any(str(key)[: len(PREFIX)] == PREFIX for key in source.table)


def _holds(*keys: str) -> Callable[[Source], bool]:
    return lambda source: any(isinstance(source.table.get(key), Tensor | Mapping) for key in keys)


LAYOUTS: tuple[tuple[Callable[[Source], bool], Callable[[Source], TokenTable]], ...] = (
    (lambda source: isinstance(source.content, list | tuple) and bool(source.content), _list),
    (lambda source: any(key == PARAMS or str(key).startswith(_FLAT) for key in source.table), _params),
    (_carries_tokens, _bundled),
    (_holds(*ENCODER_KEYS), read_pair),
    (lambda source: bool(source.table) and all(map(is_numbered, source.table)), read_pair),
    (_holds("emb_params"), _kohya),
    (lambda source: bool(source.table) and all(map(is_of_another_model, source.table)), read_pair),
    (lambda source: bool(source.table), _named),
)


def read_notes(source: Source) -> Iterator[tuple[str, str | int]]:
    """What A1111 notes beside the vectors: name, step, sd_checkpoint (a hash) and sd_checkpoint_name."""
    for key in ("name", "sd_checkpoint", "sd_checkpoint_name"):
        if isinstance(value := source.table.get(key, source.metadata.get(key)), str) and value:
            yield key, value[:200]
    step = source.table.get("step", source.metadata.get("ss_steps"))
    if isinstance(step, (int, str)) and re.fullmatch(r"\d{1,12}", str(step)[:13]):
        yield "step", int(step)
