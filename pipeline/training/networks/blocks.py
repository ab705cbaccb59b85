"""Values by block of the UNet: ranks and learning rates."""

from __future__ import annotations

from ....adapters.prompts.block_lists import list_block_values, parse_block_range
from ....adapters.prompts.block_presets import BLOCKS
from ....adapters.prompts.numbers import parse_number
from ....core.errors import BadParameter
from ....core.params import items
from ....core.similar_names import suggest_names


def read_blocks(text: str, *, where: str, sdxl: bool = False) -> dict[str, float]:
    """Block → value, for the blocks that the text names.

    A list of 12, 17, 20 or 26 values or a preset, as block weights have it, names all blocks. `IN04=8`, `IN04-OUT05=8`
    and `MID=4`, with spaces between, name some; later ones count. Raises BadParameter.

    >>> read_blocks("IN04=8 MID=4", where="block_ranks")
    {'IN04': 8.0, 'MID': 4.0}
    """
    words = items(text)
    if not any("=" in word for word in words):
        found = list_block_values(",".join(words), sdxl=sdxl) if words else {}
    else:
        found = {}
        for word in items(text, commas=True):
            found |= _read_pair(word, where)
    if low := next((block for block, value in found.items() if value < 0), None):
        raise BadParameter(f"{block_text(found, low)} is below 0", where=where, fix="write 0 for what is not trained")
    return found


def block_text(found: dict[str, float], block: str) -> str:
    """A block with its value."""
    return f"{block}={found[block]:g}"


def _read_pair(word: str, where: str) -> dict[str, float]:
    name, _, value = word.partition("=")
    blocks = parse_block_range(name)
    if not blocks:
        fix = suggest_names(name, BLOCKS, "BASE, IN00 to IN11, MID, OUT00 to OUT11:")
        raise BadParameter(f"there is no block {name!r}", where=where, fix=fix)
    number = parse_number(value, where=where)
    return {block: number for block in BLOCKS if block in blocks}
