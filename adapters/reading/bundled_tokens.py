"""Learned tokens that travel inside LoRA files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..modules.architectures import CLIPS, TRANSFORMER_MODELS
from ..modules.language_models import LanguageModel
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
    return _explain(key[len(PREFIX) :].rpartition(".")[2])


def _explain(word: str) -> str:
    """Why a token is not read whose key ends in a word."""
    titles = _list_owners(word.removesuffix("_out").lower())
    if not titles:
        return f"is a bundled embedding, but not {', '.join(ENCODERS)}"
    known = ", ".join(dict.fromkeys(CLIPS))
    return f"is a learned token for {word[:40]}, a text encoder of {', '.join(titles)}; tokens go to {known} only"


def _list_owners(word: str) -> list[str]:
    """Titles of the models with a language model of that name: ComfyUI's, or its beginning ("t5", "llama")."""
    return [
        model.title
        for model in TRANSFORMER_MODELS.values()
        for network in model.networks.values()
        if isinstance(network, LanguageModel) and len(word) > 1 and _is_like(network.clip, word)
    ]


def _is_like(clip: str, word: str) -> bool:
    return clip.startswith(word) or word.startswith(clip) or clip.startswith(f"um{word}")
