"""What ComfyUI calls the networks of a loaded model, and what its patches hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import MissingExtra
from ..applying.weight_writer import apply_places
from ..deltas.lowrank import LowRank
from ..modules.architectures import ARCHITECTURES, CLIPS, UNKNOWN
from ..modules.language_models import T5
from ..modules.layers import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from ..applying.weight_writer import Place

DENOISER_PREFIX = "diffusion_model."
OWN = "underdrawing"
"""Name of our kind of patches."""


def list_encoder_prefixes(architecture: str) -> dict[str, str]:
    """The host's prefix of a text encoder → part; of a model that is not known, those of SD's."""
    if architecture == UNKNOWN:
        return {f"{clip}.transformer.": part for clip, part in CLIPS.items()}
    encoders = ARCHITECTURES[architecture].networks.items()
    own = {part: network.clip for part, network in encoders if isinstance(network, (TextEncoder, T5))}
    return {f"{clip}.transformer.": part for part, clip in own.items()}


def name_patch(key: str, place: Place, base: Tensor) -> Any:
    """Under which the host takes a patch of a place: the key, or with it (axis, first row, rows)."""
    if place.slot.is_whole:
        return key
    ((first, _, count),) = place.slot.list_pieces(base.shape[0])
    return key, (0, first, count)


def make_factors(place: Place, base: Tensor) -> tuple[Any, ...] | None:
    """What the host's own kind of patch holds for a layer that one plain LoRA changes; None for anything else."""
    (_, parameter), slot, changes = place
    delta, strength = changes[0].delta, changes[0].strength
    if parameter != "weight" or len(changes) > 1 or slot.swapped or not isinstance(delta, LowRank):
        return None
    if delta.mid is not None or not delta.fits_whole(slot.view(base).shape):
        return None
    return delta.up, delta.down, strength * delta.scale * delta.rank, None, None, None


def make_difference(places: Sequence[Place], base: Tensor) -> tuple[str, tuple[Tensor]]:
    """For hosts older than weight adapters: the change itself, if it depends on no weight. Raises MissingExtra."""
    for delta in (change.delta for place in places for change in place.changes):
        if delta.uses_base:
            what = f"a {delta.algorithm} depends on the weights it meets, and this ComfyUI is too old for that"
            raise MissingExtra(what, fix="use ComfyUI 0.3.30 or newer")
    return ("diff", (apply_places(torch.zeros(base.shape), places),))


def describe_patches(patches: Iterable[Any]) -> tuple[str, ...]:
    """Whose patches compute the changes."""
    names = [getattr(patch, "name", "") for patch in patches]
    ours = names.count(OWN)
    texts = (f"{len(names) - ours} by ComfyUI's own kinds of patches", f"{ours} by Underdrawing's")
    shown = [text for text, count in zip(texts, (len(names) - ours, ours), strict=True) if count]
    return (f"weights are changed {' and '.join(shown)}",) if shown else ()
