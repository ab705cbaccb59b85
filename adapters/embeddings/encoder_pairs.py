"""Embeddings with a tensor for each text encoder: SDXL's pairs, and what else stands beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...core.errors import BadWeights
from ..modules.architectures import SUPPORTED
from ..modules.parts import TEXT_ENCODER_2
from ..reading.bundled_tokens import ENCODER_KEYS
from .source import Source, TokenTable
from .vectors import WIDTHS, read_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

_OUT = "_out"
_OTHER_ENCODERS = frozenset(
    {"t5", "t5xxl", "text_encoders_2", "t5_out", "t5xxl_out", "qwen3_4b", "qwen25_7b", "llama", "gemma2_2b", "mistral"}
)
_ENCODERS = frozenset({*ENCODER_KEYS, *_OTHER_ENCODERS})
_NUMBERED = re.compile(r"text_encoders?([._]?\d)?")
"""Keys that name a text encoder by its place in a pipeline."""


def read_pair(source: Source) -> TokenTable:
    """SDXL: one tensor per text encoder."""
    found = {key: value for key, value in source.table.items() if key in ENCODER_KEYS or is_numbered(key)}
    places = _place_vectors({key: read_vectors(value, key, source.path) for key, value in found.items()})
    encoders = {part: rows for part, (_, rows) in places.items()}
    used = {key for key, _ in places.values()}
    rest = [str(key) for key, value in source.table.items() if key not in used and isinstance(value, Tensor)]
    if not encoders:
        what = f"holds no vectors for a text encoder of {SUPPORTED}: {explain_unused(rest)}"
        raise BadWeights(what, where=str(source.path), fix="export the embedding for one of these models")
    notes = [f"{len(rest)} other tensors are not used: {explain_unused(rest)}"] if rest else []
    counts = {part: rows.shape[0] for part, rows in encoders.items()}
    if len(set(counts.values())) > 1:
        notes.append(f"the text encoders have different numbers of vectors: {counts}")
    layout = "SDXL" if len(encoders) == 2 else "SDXL, second encoder only" if TEXT_ENCODER_2 in encoders else "clip_l"
    return TokenTable(layout, {source.name: encoders}, tuple(notes))


def is_numbered(key: Any) -> bool:
    """Whether a key names a text encoder by its place in a pipeline."""
    return isinstance(key, str) and _NUMBERED.fullmatch(key) is not None and key not in _OTHER_ENCODERS


def _place_vectors(found: Mapping[str, Tensor]) -> dict[str, tuple[str, Tensor]]:
    """Text encoder → key and vectors; keys that only number the encoders go by their width where that tells them apart.

    The first key counts where several are for one encoder.
    """
    by_key = {key: ENCODER_KEYS.get(key) for key in found}
    by_width = {key: WIDTHS.get(rows.shape[1]) if is_numbered(key) else by_key[key] for key, rows in found.items()}
    known = [part for part in by_width.values() if part is not None]
    parts = by_width if len(set(known)) == len(found) else {key: by_key[key] or by_width[key] for key in found}
    places: dict[str, tuple[str, Tensor]] = {}
    for key, rows in found.items():
        if (part := parts[key]) is not None:
            places.setdefault(part, (key, rows))
    return places


def explain_unused(keys: list[str]) -> str:
    """What tensors are that no text encoder of ours reads."""
    kinds = {
        key: "added behind the text encoder, OneTrainer's output embedding"
        if key.endswith(_OUT)
        else "for a text encoder of SD3, Flux or another model"
        if key in _OTHER_ENCODERS
        else ""
        for key in keys[:4]
    }
    return ", ".join(f"{key[:40]} ({kind})" if kind else key[:40] for key, kind in kinds.items())


def is_of_another_model(key: Any) -> bool:
    """Whether a key names vectors that no text encoder of ours reads."""
    return key in _OTHER_ENCODERS or (isinstance(key, str) and key.endswith(_OUT) and key[: -len(_OUT)] in _ENCODERS)
