"""Blocks of transformers in lists of block weights: one table for prompts, merges and reports.

Of Flux.1 and Chroma as in hako-mikan's extension: CLIP, T5, IN, D00-D18, S00-S37, OUT, 61 values. Of the others BASE
(text encoders), IN, the blocks, OUT: D and S of two streams and one, B of models with one kind of block, L of layers
with N and C (their refiners of noise and context), T and R of Krea 2's fusion of texts. DOUBLE07 and SINGLE07 are D07
and S07. IN is what stands before the blocks, OUT what stands after them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from .architectures import ARCHITECTURES, TRANSFORMER_MODELS
from .language_models import T5
from .parts import TRANSFORMER, find_part
from .rows import match_name

if TYPE_CHECKING:
    from .transformer import Transformer

_END = re.compile(r"(norm_out|proj_out|final_|all_final_layer)")
_LONG = re.compile(r"(?:(D)OUBLE|(S)INGLE|([A-Z]))_?(\d{1,2})")
IN, OUT = "IN", "OUT"


@cache
def list_block_layouts(architecture: str) -> dict[int, tuple[str, ...]]:
    """Number of values in a list → blocks they stand for, of each variant of a transformer; the longest has all."""
    model = TRANSFORMER_MODELS[architecture]
    sizes = [transformer for transformer in (model.transformer, *model.variants.values()) if transformer is not None]
    layouts = [(*model.encoder_blocks, IN, *_list_blocks(transformer), OUT) for transformer in sizes]
    return {len(names): names for names in layouts}


def _list_blocks(transformer: Transformer) -> tuple[str, ...]:
    blocks = transformer.blocks.items()
    return tuple(f"{short}{number:02}" for start, short in blocks for number in range(transformer.numbers[start]))


def find_transformer_block(architecture: str, module: str) -> str:
    """Block of a module of a transformer model or its text encoders, canonical or a maker's name behind the part.

    >>> find_transformer_block("flux1", "transformer.single_blocks.7.linear1")
    'S07'
    """
    model, part = ARCHITECTURES[architecture], find_part(module)
    if part != TRANSFORMER:
        is_t5 = isinstance(model.networks.get(part), T5)
        return model.encoder_blocks[-1 if is_t5 else 0]
    name = module.partition(".")[2]
    match = match_name(architecture, name)
    own = match.canonical[0].partition(".")[2] if match is not None else name
    for start, short in model.transformer.blocks.items() if model.transformer is not None else ():
        if own.startswith(f"{start}.") and (number := own[len(start) + 1 :].partition(".")[0]).isdecimal():
            return f"{short}{int(number):02}"
    return OUT if _END.match(own) else IN


def spell_block(name: str) -> str:
    """Name of a block as the table has it: DOUBLE7, DOUBLE_BLOCKS are written by other tools; others as they are.

    >>> spell_block("DOUBLE07"), spell_block("S7"), spell_block("IN")
    ('D07', 'S07', 'IN')
    """
    found = _LONG.fullmatch(name)
    return f"{found[1] or found[2] or found[3]}{int(found[4]):02}" if found is not None else name
