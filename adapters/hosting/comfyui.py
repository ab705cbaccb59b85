"""What ComfyUI calls the networks of a loaded model, and how its patches are told from ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..modules.architectures import ARCHITECTURES, CLIPS, UNKNOWN
from ..modules.language_models import T5
from ..modules.layers import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def describe_patches(patches: Iterable[Any]) -> tuple[str, ...]:
    """Whose patches compute the changes."""
    names = [getattr(patch, "name", "") for patch in patches]
    ours = names.count(OWN)
    texts = (f"{len(names) - ours} by ComfyUI's own kinds of patches", f"{ours} by Underdrawing's")
    shown = [text for text, count in zip(texts, (len(names) - ours, ours), strict=True) if count]
    return (f"weights are changed {' and '.join(shown)}",) if shown else ()
