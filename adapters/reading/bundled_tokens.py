"""Learned tokens that travel inside LoRA files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..modules.architectures import CLIPS
from ..modules.parts import TEXT_ENCODER, TEXT_ENCODER_2

if TYPE_CHECKING:
    from .files import RawFile

PREFIX = "bundle_emb."
ENCODER_KEYS = {**CLIPS, "text_encoders_0": TEXT_ENCODER, "text_encoders_1": TEXT_ENCODER_2}
"""Keys of embeddings that name the text encoder; the numbered ones are of diffusers' training scripts for SDXL."""
ENCODERS = {"string_to_param.*": TEXT_ENCODER, "emb_params": TEXT_ENCODER, **ENCODER_KEYS}
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
