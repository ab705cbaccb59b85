"""Learned tokens that travel inside LoRA files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .files import RawFile

PREFIX = "bundle_emb."
ENCODERS = {"string_to_param.*": "text_encoder", "clip_l": "text_encoder", "clip_g": "text_encoder_2"}
CLONEOFSIMO_MARK = "<embed>"


class Learned(NamedTuple):
    """Token and the text encoder its vectors are for."""

    token: str
    encoder: str


def learned_token(key: str, file: RawFile) -> Learned | str | None:
    """What a key holds of a learned token; words when it is one that cannot be understood; None when it is none."""
    if file.metadata.get(key) == CLONEOFSIMO_MARK:
        return Learned(key, "text_encoder")
    if not key.startswith(PREFIX):
        return None
    for ending, encoder in ENCODERS.items():
        if key.endswith(f".{ending}"):
            return Learned(key[len(PREFIX) : -len(ending) - 1], encoder)
    return f"is a bundled embedding, but not {', '.join(ENCODERS)}"
