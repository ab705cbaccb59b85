"""The text encoders of base models."""

from __future__ import annotations

from .layers import TextEncoder

CLIP_L = TextEncoder("clip_l", 12, 768)
OPENCLIP_H = TextEncoder("clip_h", 23, 1024)
OPENCLIP_BIGG = TextEncoder("clip_g", 32, 1280, projection=True)
