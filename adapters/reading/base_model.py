"""Which base model an adapter was made for, from widths and from which modules it names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..modules.architectures import UNETS, modules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..adapter import Adapter
    from ..deltas.base import Delta

UNKNOWN = "unknown"
_WIDTHS = {unet.context: name for name, unet in UNETS.items()}

_VERSIONS = {
    "sdxl_": "sdxl",
    "sd_v2": "sd21",
    "sd_v1": "sd15",
    "stable-diffusion-xl-v1-refiner": "sdxl_refiner",
    "stable-diffusion-xl": "sdxl",
    "stable-diffusion-v2": "sd21",
    "stable-diffusion-v1": "sd15",
}
"""How trainers begin the name of a base model."""


def base_model(adapter: Adapter) -> str:
    """Architecture by the width of the text encoding its cross attention reads; else by the modules it names.

    Where neither tells, what the trainer wrote into the metadata counts (kohya's ss_base_model_version, ss_v2 and
    modelspec.architecture).
    """
    found = base_of(adapter.modules)
    return _written(adapter.metadata) if found == UNKNOWN else found


def _written(metadata: Mapping[str, str]) -> str:
    for key in ("ss_base_model_version", "modelspec.architecture"):
        for start, name in _VERSIONS.items():
            if metadata.get(key, "").startswith(start):
                return name
    return "sd21" if metadata.get("ss_v2") == "True" else UNKNOWN


def base_of(deltas: Mapping[str, Delta]) -> str:
    """The same for deltas by canonical module name."""
    widths = Counter(
        extent.cols
        for name, delta in deltas.items()
        if name.endswith((".attn2.to_k", ".attn2.to_v")) and (extent := delta.extent) is not None
    )
    for width, _ in widths.most_common():
        if width in _WIDTHS:
            return _WIDTHS[width]
    names = set(deltas)
    fits = [name for name in UNETS if names and names <= set(modules(name))]
    if "text_encoder_2" in {name.partition(".")[0] for name in names} and "sdxl" in fits:
        return "sdxl"
    return fits[0] if len(fits) == 1 else UNKNOWN
