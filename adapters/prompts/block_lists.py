"""Lists of block weights and rules for elements, as they are written: hako-mikan's grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.errors import BadParameter
from ..modules.architectures import TRANSFORMER_MODELS
from ..modules.block_names import list_block_layouts, spell_block
from .block_presets import BLOCKS, LAYOUTS, PRESETS, SDXL_PRESETS
from .numbers import format_number, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ElementRule:
    """One `blocks:words:weight` rule: the blocks and words that it takes in, or leaves out after NOT; empty takes
    all.
    """

    blocks: frozenset[str]
    not_blocks: bool
    words: tuple[str, ...]
    not_words: bool
    weight: float

    def takes(self, module: str, block: str) -> bool:
        """Whether the rule sets the weight of this module."""
        in_block = not self.blocks or (block in self.blocks) != self.not_blocks
        return in_block and (not self.words or any(word in module for word in self.words) != self.not_words)


def is_blocks(text: str, presets: Mapping[str, str] | None = None) -> bool:
    """Whether text has the form of block weights: a list of a known length, a preset, a block or a range."""
    counts = {*LAYOUTS, *(count for model in TRANSFORMER_MODELS for count in list_block_layouts(model))}
    listed = text.count(",") + 1 in counts and not re.search("[@~]", text)
    named = _bare(text) in {**PRESETS, **SDXL_PRESETS} or text in (presets or {})
    return (
        listed or named or bool(parse_block_range(text)) or any(_is_range(text, model) for model in TRANSFORMER_MODELS)
    )


def _is_range(text: str, model: str) -> bool:
    """Whether text is a block or a range of blocks of a model with a transformer."""
    layouts = list_block_layouts(model)
    return bool(parse_block_range("-".join(map(spell_block, text.split("-"))), layouts[max(layouts)]))


def parse_rules(text: str, known: tuple[str, ...] = BLOCKS) -> tuple[ElementRule, ...]:
    """Rules in hako-mikan's element form, `blocks:words:weight`, with commas or new lines between. known: blocks."""
    lines = [line.strip() for line in re.split(r"[,\n]", text)]
    return tuple(_rule(line, known) for line in lines if line)


def _rule(line: str, known: tuple[str, ...]) -> ElementRule:
    parts = line.split(":")
    if len(parts) != 3:
        raise BadParameter(
            f"{line!r} is not blocks:words:weight", where="lbwe", fix="write for example IN05-OUT05:attn:0.5"
        )
    blocks, words = parts[0].split(), parts[1].split()
    not_blocks, not_words = blocks[:1] == ["NOT"], words[:1] == ["NOT"]
    named: set[str] = set()
    for name in blocks[not_blocks:]:
        named |= parse_block_range(name, known) or _unknown_block(name, known)
    return ElementRule(
        frozenset(named), not_blocks, tuple(words[not_words:]), not_words, parse_number(parts[2], where="lbwe")
    )


def _unknown_block(name: str, known: tuple[str, ...]) -> set[str]:
    fix = "use BASE, IN00 to IN11, MID or OUT00 to OUT11" if known == BLOCKS else f"use one of {', '.join(known)}"
    raise BadParameter(f"there is no block {name!r}", where="lbw", fix=fix)


def _bare(text: str) -> str:
    return re.sub(r"^SD(XL)?-", "", text)


def list_block_values(
    text: str,
    *,
    dynamic: float = 1.0,
    presets: Mapping[str, str] | None = None,
    sdxl: bool = False,
    layouts: Mapping[int, tuple[str, ...]] = LAYOUTS,
    inside: float = 1.0,
) -> dict[str, float]:
    """Block → value, of a list, a preset, a block or a range, in whose blocks the value is `inside`; others are 0.

    layouts: number of values → blocks they stand for; the longest one has all blocks. Raises BadParameter.
    """
    every = layouts[max(layouts)]
    if named := parse_block_range(text, every):
        return {block: inside if block in named else 0.0 for block in every}
    values = [value.strip() for value in _lookup(text, presets or {}, sdxl=sdxl).split(",")]
    if len(values) not in layouts:
        raise BadParameter(
            _why_not(text, len(values)),
            where="lbw",
            fix=f"give {_counts(layouts)} values, or one of {', '.join({**PRESETS, **(presets or {})})}",
        )
    given = dict(zip(layouts[len(values)], (_value(v, dynamic) for v in values), strict=True))
    return {block: given.get(block, 0.0) for block in every}


def list_all_values(text: str, dynamic: float, presets: Mapping[str, str], *, sdxl: bool) -> tuple[float, ...]:
    """Weights of BLOCKS."""
    return tuple(list_block_values(text, dynamic=dynamic, presets=presets, sdxl=sdxl).values())


def _lookup(text: str, presets: Mapping[str, str], *, sdxl: bool) -> str:
    if text in presets:
        return presets[text]
    bare = _bare(text)
    on_sdxl = text.startswith("SDXL-") or (sdxl and not text.startswith("SD-"))
    return SDXL_PRESETS.get(bare, PRESETS.get(bare, text)) if on_sdxl or bare not in PRESETS else PRESETS[bare]


def _why_not(text: str, count: int) -> str:
    return f"{text!r} is no preset" if count == 1 else f"{count} block weights were given"


def _counts(layouts: Mapping[int, tuple[str, ...]]) -> str:
    return ", ".join(str(n) for n in sorted(layouts))


def _value(text: str, dynamic: float) -> float:
    if text in {"R", "U"}:
        raise BadParameter(
            f"{text} asks for a random weight, which cannot be repeated", where="lbw", fix="write a number"
        )
    if text.startswith("X"):
        return dynamic + (parse_number(text[1:], where="lbw") if text[1:] else 0.0)
    return parse_number(text, where="lbw")


def parse_block_range(text: str, blocks: tuple[str, ...] = BLOCKS) -> set[str]:
    """Blocks of `IN02` or `IN04-OUT05` (either order; M00 is MID), empty when it is neither."""
    ends = [("MID" if end == "M00" else end) for end in text.split("-")]
    if len(ends) > 2 or any(end not in blocks for end in ends):
        return set()
    places = sorted(blocks.index(end) for end in ends)
    return set(blocks[places[0] : places[-1] + 1])


def format_list(text: str, dynamic: float, presets: Mapping[str, str]) -> str:
    """The list with its numbers written one way, X filled in; any other name is left as it is."""
    text = presets[text] if "X" in presets.get(text, "") else text
    return ",".join(format_number(_value(v.strip(), dynamic)) for v in text.split(",")) if "," in text else text
