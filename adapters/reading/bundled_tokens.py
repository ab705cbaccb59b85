"""Learned tokens that travel inside LoRA files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..modules.architectures import SDXL_PAIR
from ..modules.parts import TEXT_ENCODER

if TYPE_CHECKING:
    from .files import RawFile

PREFIX = "bundle_emb."
ENCODERS = {"string_to_param.*": TEXT_ENCODER, **SDXL_PAIR}
"""Last word of a key → text encoder."""
CLONEOFSIMO_MARK = "<embed>"


class TokenKey(NamedTuple):
    """Token and the text encoder its vectors are for."""

    token: str
    encoder: str


def read_token_key(key: str, file: RawFile) -> TokenKey | str | None:
    """What a key holds of a learned token; words when it is one that cannot be understood; None when it is none."""
    if file.metadata.get(key) == CLONEOFSIMO_MARK:
        return TokenKey(key, TEXT_ENCODER)
    if not key.startswith(PREFIX):
        return None
    for ending, encoder in ENCODERS.items():
        if key.endswith(f".{ending}"):
            return TokenKey(key[len(PREFIX) : -len(ending) - 1], encoder)
    return f"is a bundled embedding, but not {', '.join(ENCODERS)}"
