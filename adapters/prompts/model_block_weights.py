"""Block weights on models with transformers, read when the model is known: a list names each block."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ...core.errors import BadParameter
from ..modules.architectures import TRANSFORMER_MODELS
from ..modules.block_names import find_transformer_block, list_block_layouts, spell_block
from .block_lists import ElementRule, list_block_values, parse_rules

ALIKE = "*"
"""Before the value of a preset that is the same for every block."""


class ModelWeights(NamedTuple):
    """Values by block, empty where only rules are given, and the rules."""

    values: dict[str, float]
    rules: tuple[ElementRule, ...]

    def weight_of(self, module: str, architecture: str) -> float:
        """Factor on the strength of a module; the last rule that takes it wins over the list."""
        block = find_transformer_block(architecture, module)
        taken = [rule.weight for rule in self.rules if rule.takes(module, block)]
        return taken[-1] if taken else self.values.get(block, 1.0 if not self.values else 0.0)


@lru_cache(maxsize=64)
def read_model_weights(architecture: str, text: str, rules: str) -> ModelWeights:
    """Block weights of one model. text: a list, a block or a range, or `ALIKE` and a value; "" for none.

    Raises BadParameter for what does not fit the model's blocks.
    """
    layouts = list_block_layouts(architecture)
    every = layouts[max(layouts)]
    own = parse_rules(spell_rules(rules), every) if rules else ()
    if text.startswith(ALIKE):
        return ModelWeights(dict.fromkeys(every, float(text.removeprefix(ALIKE))), own)
    spelt = "-".join(spell_block(end) for end in text.split("-")) if "," not in text else text
    try:
        return ModelWeights(list_block_values(spelt, presets={}, layouts=layouts) if text else {}, own)
    except BadParameter as error:
        count = text.count(",") + 1
        title = TRANSFORMER_MODELS[architecture].title
        what = f"{count} block weights were given" if count > 1 else f"{text[:80]!r} is no block or range of blocks"
        counts = " or ".join(str(number) for number in sorted(layouts))
        fix = f"give {counts} values, or a block or range of {every[0]}, {every[1]}, ... {every[-1]} such as {every[4]}"
        raise BadParameter(f"{what}, and this is {title}: {error.what}", where=error.where, fix=fix) from error


def spell_rules(rules: str) -> str:
    """Rules with blocks as the table has them."""
    lines = list[str]()
    for line in rules.replace("\n", ",").split(","):
        blocks, colon, rest = line.partition(":")
        names = ["-".join(spell_block(end) for end in name.split("-")) for name in blocks.split()]
        lines.append(" ".join(names) + colon + rest)
    return ",".join(lines)


def fits_a_model(text: str, rules: str = "") -> bool:
    """Whether block weights and rules can be read for any model with a transformer."""
    return any(_fits(architecture, text, rules) for architecture in TRANSFORMER_MODELS)


def _fits(architecture: str, text: str, rules: str) -> bool:
    try:
        read_model_weights(architecture, text, rules)
    except BadParameter:
        return False
    return True
