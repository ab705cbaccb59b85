"""Blocks of SDXL one by one: the names of supermerger's lists of 110 values, module for module."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .keys import find_part

if TYPE_CHECKING:
    from collections.abc import Iterator

VAE = "VAE"
_DEPTHS = {
    "IN": ({}, {}, {}, {}, {1: 2}, {1: 2}, {}, {1: 10}, {1: 10}),
    "OUT": ({1: 10}, {1: 10}, {1: 10, 2: 0}, {1: 2}, {1: 2}, {1: 2, 2: 0}, {}, {}, {}),
}
"""Modules of SDXL's blocks beside the first → transformer blocks in them."""


def _list_sides(side: str) -> Iterator[str]:
    for number, modules in enumerate(_DEPTHS[side]):
        for module, depth in {0: 0, **modules}.items():
            yield f"{side}{number}{module}"
            yield from (f"{side}{number}{module}{block}" for block in range(depth))


_MIDDLE = ("MID00", "MID10", *(f"MID10{block}" for block in range(10)), "MID20")
EXTENDED = ("CLIPL", "CLIPG", "IN0", *_list_sides("IN"), *_MIDDLE, *_list_sides("OUT"), "OUT9", "TIME", "LABEL", VAE)
"""supermerger's names of SDXL's modules: side, block, module, transformer block. IN0 has no weights."""
_EXTENDED = re.compile(r"(?:^|\.)(input|middle|output)_blocks?\.(\d)\.(?:(\d)\.)?(?:.*?\btransformer_blocks\.(\d)\.)?")
DIFFUSERS = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.")
_MODULES = {"resnets": 0, "attentions": 1, "downsamplers": 0, "upsamplers": 2}
"""Modules of SDXL's blocks under diffusers' names."""
_DIFFUSERS_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d)\.")
_EXTENDED_STARTS = {
    **dict.fromkeys(("conditioner.embedders.0.", "text_encoder.", "text_encoders.clip_l."), "CLIPL"),
    **dict.fromkeys(("conditioner.embedders.1.", "text_encoder_2.", "text_encoders.clip_g."), "CLIPG"),
    **dict.fromkeys(("label_emb.", "add_embedding."), "LABEL"),
    **dict.fromkeys(("time_embed.", "time_embedding."), "TIME"),
    **dict.fromkeys(("out.", "conv_norm_out.", "conv_out."), "OUT9"),
    "conv_in.": "IN00",
}
"""Beginnings of the other names, without the UNet's prefix → names in lists of 110 values."""


def find_diffusers_block(found: re.Match[str]) -> str:
    """Block of a match of DIFFUSERS."""
    block, item = int(found[2]), int(found[4])
    if found[1] == "down":
        return f"IN{3 * (block + 1) if found[3] == 'downsamplers' else 1 + 3 * block + item:02}"
    return f"OUT{3 * block + (2 if found[3] == 'upsamplers' else item):02}"


def find_extended_block(key: str) -> str:
    """Name of an SDXL weight in lists of 110 values; empty for what has none, which weighs 0.

    >>> find_extended_block("model.diffusion_model.output_blocks.4.1.transformer_blocks.1.attn1.to_q.weight")
    'OUT411'
    """
    if find_part(key) == "vae":
        return VAE
    if found := _EXTENDED.search(key):
        side, number, module, block = found.groups()
        name = {"input": "IN", "output": "OUT", "middle": "MID"}[side]
        return f"{name}{number}{'0' if name == 'MID' else module or ''}{block or ''}"
    if (name := _find_extended_module(key)) is not None:
        found = re.search(r"\.transformer_blocks\.(\d)\.", key)
        return name + (found[1] if found else "")
    own = key.rpartition("diffusion_model.")[2].removeprefix("unet.")
    return next((name for start, name in _EXTENDED_STARTS.items() if own.startswith(start)), "")


def _find_extended_module(key: str) -> str | None:
    """Side, block and module of a key with diffusers' names; None for any other."""
    if found := DIFFUSERS.search(key):
        block = find_diffusers_block(found)
        side, number = ("IN", block[2:]) if block.startswith("IN") else ("OUT", block[3:])
        return f"{side}{int(number)}{_MODULES[found[3]]}"
    if found := _DIFFUSERS_MIDDLE.search(key):
        return f"MID{1 if found[1] == 'attentions' else 2 * int(found[2])}0"
    return None
