"""ComfyUI's neutral names: ``diffusion_model.<LDM module>``, ``text_encoders.clip_l.transformer.<module>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Dialect, Located, find, split

if TYPE_CHECKING:
    from ..files import RawFile

PREFIXES = {
    "model.diffusion_model.": "unet",
    "diffusion_model.": "unet",
    "text_encoders.clip_l.transformer.": "text_encoder",
    "text_encoders.clip_l.": "text_encoder",
    "text_encoders.clip_h.transformer.": "text_encoder",
    "text_encoders.clip_g.transformer.": "text_encoder_2",
    "text_encoders.clip_g.": "text_encoder_2",
    "clip_l.transformer.": "text_encoder",
    "clip_h.transformer.": "text_encoder",
    "clip_g.transformer.": "text_encoder_2",
}


def locate(key: str, _: RawFile) -> Located | str:
    """Any LoRA suffix behind a full module name."""
    for prefix, part in PREFIXES.items():
        if key.startswith(prefix):
            parts = split(key.removeprefix(prefix))
            return find(part, *parts) if parts else "ends in no suffix of a LoRA"
    return f"does not start with {', '.join(PREFIXES)}"


DIALECT = Dialect("comfy", "ComfyUI generic", 40, locate)
