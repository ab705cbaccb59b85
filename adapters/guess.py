"""Which base model an adapter was made for, from widths and from which modules it names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .architectures import UNETS, modules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .adapter import Adapter
    from .deltas.base import Delta

UNKNOWN = "unknown"
_WIDTHS = {unet.context: name for name, unet in UNETS.items()}


def base_model(adapter: Adapter) -> str:
    """Architecture by the width of the text encoding its cross attention reads; else by the modules it names."""
    return base_of(adapter.modules)


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
