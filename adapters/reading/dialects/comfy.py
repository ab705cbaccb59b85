"""ComfyUI's neutral names: ``diffusion_model.<LDM module>``, ``text_encoders.clip_l.transformer.<module>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...modules.parts import prefix_table
from .base import Dialect, Located, find, split

if TYPE_CHECKING:
    from ..files import RawFile

PREFIXES = prefix_table("comfy")


def locate(key: str, _: RawFile) -> Located | str:
    """Any LoRA suffix behind a full module name."""
    for prefix, part in PREFIXES.items():
        if key.startswith(prefix):
            parts = split(key.removeprefix(prefix))
            return find(part, *parts) if parts else "ends in no suffix of a LoRA"
    return f"does not start with {', '.join(PREFIXES)}"


DIALECT = Dialect("comfy", "ComfyUI generic", 40, locate)
