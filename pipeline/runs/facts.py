"""What infotexts say of a run besides the request: names and hashes of what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.files import hash_file, hash_stream
from ...core.regular_files import open_regular_file
from ...core.tensor_files.safetensors_io import read_header
from ..infotext.facts import Facts
from ..sampling.settings import label_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..conditioning.loras import LoraUse
    from .controls import ReadyControl
    from .job import PictureJob
    from .seeds import PictureSeed

DIGITS = 12
"""Of the hashes of LoRAs in infotexts."""


def collect_facts(job: PictureJob, seed: PictureSeed, controls: Sequence[ReadyControl]) -> Facts:
    """Facts of one picture, which has been drawn."""
    model, embeddings = job.model, job.reader.list_embeddings()
    return Facts(
        seed=seed.seed,
        subseed=seed.subseed,
        width=job.size.width,
        height=job.size.height,
        sampler=job.choice.label,
        scheduler=job.choice.scheduler_label,
        settings=label_settings(job.request, job.choice),
        model=model.name,
        model_hash=model.short_hash,
        vae=model.vae_name,
        controls=tuple(control.facts for control in controls),
        lora_hashes=job.lora_hashes,
        embedding_hashes={name: hash_file(path)[:DIGITS] for name, path in embeddings.items()},
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
