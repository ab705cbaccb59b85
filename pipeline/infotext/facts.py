"""What a run found out that a request does not say, as far as infotexts tell it."""

from __future__ import annotations

import msgspec


class ControlFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A control as it was used. module: annotator, "none" for a ready map; resolution: of the map's shorter side."""

    module: str = "none"
    model: str = ""
    short_hash: str = ""
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: str = "balanced"
    resolution: int = 512


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one picture. width, height: of the first pass; seed, subseed: its own; labels as A1111 writes them.

    scheduler: empty where the sampler has none. settings: of the sampler, label → value. lora_hashes,
    embedding_hashes: name → hash.
    """

    seed: int
    subseed: int = -1
    width: int
    height: int
    sampler: str
    scheduler: str = ""
    settings: dict[str, float] = {}
    model: str = ""
    model_hash: str = ""
    vae: str = ""
    vae_hash: str = ""
    controls: tuple[ControlFacts, ...] = ()
    lora_hashes: dict[str, str] = {}
    embedding_hashes: dict[str, str] = {}
