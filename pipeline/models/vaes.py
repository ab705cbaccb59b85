"""VAEs of their own: files in the original layout, with and without `first_stage_model.`, and diffusers' folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...checkpoints.layouts.configurations import SCALING_FACTORS
from ...checkpoints.layouts.reading import open_weights
from ...checkpoints.layouts.vae import name_vae_keys
from .folders import read_vae_folder
from .kinds import build_kind_error, find_kind
from .parts import VAE, build_vae, place_vae
from .single_file import describe_unused

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.networks.placement import Placement
    from .model import Family

_PREFIXES = ("first_stage_model.", "vae.")


def read_vae(path: Path, family: Family, placement: Placement) -> tuple[Any, list[str]]:
    """An AutoencoderKL from a file, a folder of it, or the VAE of a whole model; and notes.

    Raises BadWeights for a file of another kind, by its name.
    """
    notes: list[str] = []
    if path.is_dir():
        return read_vae_folder(
            path / VAE if (path / VAE).is_dir() else path, place_vae(family, placement), notes
        ), notes
    with open_weights([path]) as weights:
        prefix = next((start for start in _PREFIXES if any(name.startswith(start) for name in weights.shapes)), "")
        keys = {name.removeprefix(prefix): name for name in weights.shapes if name.startswith(prefix)}
        if find_kind(keys) != "vae":
            raise build_kind_error(weights.shapes, weights.metadata, where=weights.where, needed="a VAE")
        slots = {name: slot._replace(key=keys[slot.key]) for name, slot in name_vae_keys(keys).items()}
        vae, used = build_vae(slots, weights, SCALING_FACTORS[family], place_vae(family, placement))
        return vae, describe_unused(set(keys.values()) - used)
