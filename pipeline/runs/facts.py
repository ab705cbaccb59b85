"""What infotexts say of a run besides the request: names and hashes of what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.files import hash_stream
from ...core.regular_files import open_regular_file
from ...core.tensor_files.safetensors_io import read_header
from ..infotext.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...core.images.geometry import Size
    from ..conditioning.loras import LoraUse
    from ..models.model import Model
    from ..sampling.names import Choice
    from .controls import ReadyControl
    from .seeds import PictureSeed

DIGITS = 12
"""Of the hashes of LoRAs in infotexts."""


def collect_facts(
    model: Model,
    choice: Choice,
    size: Size,
    seed: PictureSeed,
    controls: Sequence[ReadyControl],
    lora_hashes: dict[str, str],
) -> Facts:
    """Facts of one picture."""
    return Facts(
        seed=seed.seed,
        subseed=seed.subseed,
        width=size.width,
        height=size.height,
        sampler=choice.label,
        scheduler=choice.scheduler_label,
        model=model.name,
        model_hash=model.short_hash,
        vae=model.vae_name,
        controls=tuple(control.facts for control in controls),
        lora_hashes=lora_hashes,
    )


def hash_loras(uses: Sequence[LoraUse]) -> dict[str, str]:
    """Name in the prompt → A1111's hash of the file; folders have none."""
    return {use.call.name: hash_weights(use.adapter.path) for use in uses if use.adapter.path.is_file()}


def hash_weights(path: Path) -> str:
    """Start of the SHA-256 of a file, without its header where it is a safetensors file, as A1111 takes it of LoRAs."""
    start = read_header(path).data if path.suffix.lower() == ".safetensors" else 0
    with open_regular_file(path) as stream:
        stream.seek(start)
        return hash_stream(stream)[:DIGITS]
