"""Which base model an adapter was made for, from widths and from which modules it names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES, CONTEXT_WIDTHS, SD21, SDXL, UNET_MODELS, UNKNOWN, list_modules
from ..modules.parts import TEXT_ENCODER_2, find_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..adapter import Adapter
    from ..deltas.base import Delta

_TRAINER_NAMES = sorted(
    ((start, name) for name, architecture in ARCHITECTURES.items() for start in architecture.trainer_names),
    key=lambda pair: -len(pair[0]),
)
"""How trainers begin the name of a base model → architecture, the longest first."""


def guess_base_model(adapter: Adapter) -> str:
    """Architecture by the width of the text encoding its cross attention reads; else by the modules it names.

    Where neither tells, what the trainer wrote into the metadata counts (kohya's ss_base_model_version, ss_v2 and
    modelspec.architecture).
    """
    found = guess_from_modules(adapter.modules)
    return _read_metadata(adapter.metadata) if found == UNKNOWN else found


def _read_metadata(metadata: Mapping[str, str]) -> str:
    for key in ("ss_base_model_version", "modelspec.architecture"):
        for start, name in _TRAINER_NAMES:
            if metadata.get(key, "").startswith(start):
                return name
    return SD21 if metadata.get("ss_v2") == "True" else UNKNOWN


def guess_from_modules(deltas: Mapping[str, Delta]) -> str:
    """The same for deltas by canonical module name."""
    widths = Counter(
        extent.cols
        for name, delta in deltas.items()
        if name.endswith((".attn2.to_k", ".attn2.to_v")) and (extent := delta.extent) is not None
    )
    for width, _ in widths.most_common():
        if width in CONTEXT_WIDTHS:
            return CONTEXT_WIDTHS[width]
    names = set(deltas)
    fits = [name for name in UNET_MODELS if names and names <= set(list_modules(name))]
    if TEXT_ENCODER_2 in map(find_part, names) and SDXL in fits:
        return SDXL
    return fits[0] if len(fits) == 1 else UNKNOWN
