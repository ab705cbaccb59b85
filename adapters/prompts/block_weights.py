"""Block weights and step ranges of an adapter: one grammar for every host.

Block names are those of the original UNet: BASE (text encoders), IN00-IN11, MID, OUT00-OUT11; SDXL has IN00-IN08 and
OUT00-OUT08. Lists follow hako-mikan's sd-webui-lora-block-weight: 26 values name every block; 17 (SD LoRA), 20 (SDXL
LoCon) and 12 (SDXL LoRA) name the blocks of `LAYOUTS`, and a block that a list leaves out weighs 0.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...core.errors import BadParameter
from ..modules.architectures import ARCHITECTURES, SD15, TRANSFORMER_MODELS
from ..modules.block_names import find_transformer_block, list_block_layouts
from ..modules.parts import TRANSFORMER, UNET, find_part
from .block_lists import ElementRule, format_list, list_all_values, parse_rules
from .block_presets import BLOCKS, ELEMENT_PRESETS, PRESETS
from .model_block_weights import ALIKE, fits_a_model, read_model_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NUMBERED_AS_SDXL = frozenset(name for name, architecture in ARCHITECTURES.items() if architecture.ldm_named)
_UNET = re.compile(
    rf"{UNET}\.(?P<side>down|up)_blocks\.(?P<block>\d+)\.(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<item>\d+)"
)


def find_block(module: str) -> str:
    """Block of a canonical module name: `unet.down_blocks.0.attentions.0...` -> "IN01", `text_encoder...` -> "BASE".

    "" for what belongs to no block (time_embedding, add_embedding, conv_norm_out, conv_out): its weight is always 1, as
    in hako-mikan's script. The same rule holds for SD1.5, SD2.1, SDXL and its refiner: three layers per block.
    """
    if find_part(module) != UNET:
        return "BASE"
    if module.startswith(f"{UNET}.mid_block."):
        return "MID"
    if module.startswith(f"{UNET}.conv_in"):
        return "IN00"
    found = _UNET.match(module)
    return _block_in(found) if found else ""


def _block_in(found: re.Match[str]) -> str:
    block, item = int(found["block"]), int(found["item"])
    if found["side"] == "down":
        return f"IN{3 * (block + 1) if found['kind'] == 'downsamplers' else 1 + 3 * block + item:02}"
    return f"OUT{3 * block + (2 if found['kind'] == 'upsamplers' else item):02}"


def count_blocks(modules: Iterable[str], architecture: str) -> dict[str, int]:
    """Block → number of modules, in the order of lists of block weights; "" for what belongs to no block.

    modules: canonical names, of a model with a UNet or a transformer.
    """
    if architecture in TRANSFORMER_MODELS:
        counts = Counter(find_transformer_block(architecture, module) for module in modules)
        layouts = list_block_layouts(architecture)
        order = layouts[max(layouts)]
    else:
        counts, order = Counter(map(find_block, modules)), BLOCKS
    return {name: counts[name] for name in sorted(counts, key=lambda name: _place(name, order))}


def _place(name: str, order: tuple[str, ...]) -> tuple[int, str]:
    """Blocks that a larger model has stand at the end."""
    return (order.index(name), name) if name in order else (len(order), name)


@dataclass(frozen=True)
class BlockWeights:
    """What `lbw=` and `lbwe=` say; equal when they say the same, printable back with str().

    text, element_text: as they go into a tag ("" where absent). sd, sdxl: weights of `BLOCKS` for either architecture.
    own, own_rules: the list and the rules without names of presets, as models with transformers read them. misfit: why
    they do not fit the blocks of a UNet, "" where they do.
    """

    text: str
    element_text: str = ""
    sd: tuple[float, ...] = field(default=(1.0,) * 26, repr=False)
    sdxl: tuple[float, ...] = field(default=(1.0,) * 26, repr=False)
    rules: tuple[ElementRule, ...] = field(default=(), repr=False)
    own: str = field(default="", repr=False)
    own_rules: str = field(default="", repr=False)
    misfit: str = field(default="", repr=False)

    def weight_of(self, module: str, architecture: str = SD15) -> float:
        """Factor on the strength of one module, by its canonical name; the last rule that takes it wins over the
        list. Raises BadParameter where they do not fit the blocks of the architecture.
        """
        if architecture in TRANSFORMER_MODELS:
            return read_model_weights(architecture, self.own, self.own_rules).weight_of(module, architecture)
        if self.misfit or find_part(module) == TRANSFORMER:
            what = self.misfit or "the model is not known, nor what its blocks are called"
            raise BadParameter(what, where="lbw", fix="use them on the model that has these blocks")
        block = find_block(module)
        values = self.sdxl if architecture in _NUMBERED_AS_SDXL else self.sd
        taken = [rule.weight for rule in self.rules if rule.takes(module, block)]
        return taken[-1] if taken else values[BLOCKS.index(block)] if block in BLOCKS else 1.0

    def __str__(self) -> str:
        parts = (f"lbw={self.text}" if self.text else "", f"lbwe={self.element_text}" if self.element_text else "")
        return ":".join(part for part in parts if part)


def parse_blocks(
    text: str = "",
    elements: str = "",
    *,
    dynamic: float = 1.0,
    presets: Mapping[str, str] | None = None,
    element_presets: Mapping[str, str] | None = None,
) -> BlockWeights:
    """Read block weights: a list of 12, 17, 20 or 26 values, a preset, a block (`IN02`) or a range (`IN04-OUT05`).

    Models with transformers have blocks of their own (`modules.block_names`), 61 of Flux.1: `D07`, `DOUBLE00-DOUBLE18`.
    A block or a range weighs 1 and everything else 0, BASE too. `X`, `X+0.1` and `X-0.1` stand for dynamic (the `x=`
    of a tag). elements: the name of an element preset. presets come before the built-in ones.
    Raises BadParameter: unknown preset, a count that no model has, or R and U, which are random in the original.
    """
    known = {**ELEMENT_PRESETS, **(element_presets or {})}
    if elements and elements not in known:
        raise BadParameter(
            f"there is no element preset {elements!r}", where="lbwe", fix=f"use one of {', '.join(sorted(known))}"
        )
    written = BlockWeights(
        text=format_list(text, dynamic, presets or {}),
        element_text=elements,
        own=_resolve(text, dynamic, presets or {}),
        own_rules=known[elements] if elements else "",
    )
    try:
        rules = parse_rules(known[elements]) if elements else ()
        if not text:
            return replace(written, rules=rules)
        sd, sdxl = (list_all_values(text, dynamic, presets or {}, sdxl=sdxl) for sdxl in (False, True))
        return replace(written, sd=sd, sdxl=sdxl, rules=rules)
    except BadParameter as error:
        if not fits_a_model(written.own, written.own_rules):
            raise
        return replace(written, misfit=f"they fit no blocks of SD1, SD2 or SDXL: {error.what}")


def _resolve(text: str, dynamic: float, presets: Mapping[str, str]) -> str:
    """A list, block or range without the name of a preset; of one that is the same everywhere its value."""
    named = presets.get(text, PRESETS.get(text))
    listed = format_list(text if named is None else named, dynamic, presets)
    values = set(listed.split(","))
    return f"{ALIKE}{values.pop()}" if named is not None and len(values) == 1 and "," in listed else listed
