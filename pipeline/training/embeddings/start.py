"""What the vectors of a new word begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from ....core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ...conditioning.encoders import Encoder

ZERO = "<zero>"
_RANDOM = re.compile(r"<rand(?:-(?P<scale>[0-9.eE+-]+))?>")
FIX = "write words that the model knows, <zero>, <rand> or <rand-0.017>"


def find_start(
    text: str, encoder: Encoder, count: int, generator: torch.Generator, note: Callable[[str], None]
) -> Tensor:
    """Vectors [count, D], float32, for one text encoder.

    text: words, whose tokens fill the vectors in order (fewer tokens are spread over them, more are left out, both with
    a note); `<zero>`; `<rand>`, normal numbers as large as the encoder's own vectors; `<rand-0.017>`, with this
    standard deviation. Raises BadParameter.
    """
    table = read_table(encoder)
    if text == ZERO:
        return torch.zeros(count, table.shape[1])
    if found := _RANDOM.fullmatch(text):
        scale = float(table.std()) if found["scale"] is None else _read_scale(found["scale"], text)
        return torch.randn(count, table.shape[1], generator=generator) * scale
    if text.startswith("<") and text.endswith(">"):
        raise BadParameter(f"{text!r} is no way to begin", where="init", fix=FIX)
    ids = list(encoder.tokenize(text))
    if not ids:
        raise BadParameter(f"{text!r} has no tokens", where="init", fix=FIX)
    if len(ids) > count:
        note(f"init: {text!r} has {len(ids)} tokens, the first {count} are used; --vectors {len(ids)} takes all")
    elif len(ids) < count:
        note(f"init: the {len(ids)} tokens of {text!r} are spread over {count} vectors")
    chosen = ids[:count] if len(ids) >= count else [ids[index * len(ids) // count] for index in range(count)]
    return table[chosen].clone()


def read_table(encoder: Encoder) -> Tensor:
    """Vectors of all tokens of a text encoder, float32 on the CPU; a copy."""
    return encoder.network.get_input_embeddings().weight.detach().to("cpu", torch.float32, copy=True)


def _read_scale(text: str, whole: str) -> float:
    try:
        scale = float(text)
    except ValueError as error:
        raise BadParameter(f"{whole!r} has no number after the dash", where="init", fix=FIX) from error
    if not 0 <= scale <= 1000:
        raise BadParameter(f"{whole!r} has a deviation outside 0 to 1000", where="init", fix=FIX)
    return scale
