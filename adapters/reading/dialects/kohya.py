"""kohya's sd-scripts, LyCORIS, OneTrainer and SimpleTuner: names with underscores up to the first dot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...modules.parts import prefix_table
from .base import Dialect, Located, find

if TYPE_CHECKING:
    from ..files import RawFile

PREFIXES = prefix_table("kohya")


def locate(key: str, file: RawFile) -> Located | str:
    """``lora_unet_down_blocks_0_..._to_q.lora_up.weight`` → its module, by dictionary."""
    stem, _, suffix = key.partition(".")
    for prefix, part in PREFIXES.items():
        if stem.startswith(prefix):
            return find(part, stem.removeprefix(prefix), suffix)
    return f"does not start with {', '.join(PREFIXES)}"


DIALECT = Dialect("kohya", "kohya sd-scripts / LyCORIS", 20, locate)
