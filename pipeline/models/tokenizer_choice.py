"""Which tokenizer belongs to which text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2
from ...checkpoints.layouts.tokenizers import END, load_clip_tokenizer
from ...core.errors import BadWeights
from .libraries import find_class
from .parts import ENCODERS
from .reference_files import TOKENIZER

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Family

OPENCLIP_PAD = "!"
"""Token that OpenCLIP's encoders fill a window up with."""
CLIP_WORDS = 49408


def choose_tokenizers(family: Family, encoders: tuple[Any, ...], folder: Path | None) -> tuple[Any, ...]:
    """A tokenizer for each text encoder: the folder's own, else CLIP's; the reference model's for its vocabulary.

    folder: of a model in diffusers' form. Raises BadWeights for a vocabulary whose words are not known.
    """
    parts = ENCODERS[family]
    return tuple(_choose(family, part, one, folder) for part, one in zip(parts, encoders, strict=True))


def _choose(family: Family, part: str, encoder: Any, folder: Path | None) -> Any:
    words = int(encoder.config.vocab_size)
    own = folder / part.replace(TEXT_ENCODER, "tokenizer") if folder is not None else None
    if own is not None and own.is_dir():
        return _check(_read(own), words, str(own))
    if words == CLIP_WORDS:
        openclip = part == TEXT_ENCODER_2 or family == "sd2"
        return load_clip_tokenizer(pad=OPENCLIP_PAD if openclip else END)
    return _check(_read(TOKENIZER), words, part.replace("_", " "))


def _read(folder: Path) -> Any:
    return find_class("transformers.CLIPTokenizer").from_pretrained(str(folder), local_files_only=True)


def _check(tokenizer: Any, words: int, where: str) -> Any:
    if len(tokenizer) > words:
        what = f"knows {words} tokens, its tokenizer {len(tokenizer)}"
        raise BadWeights(what, where=where, fix="use the model as a diffusers folder with its tokenizer")
    return tokenizer
