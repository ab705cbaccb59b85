"""The weights file that fits the network of `nets.pidinet`."""

from __future__ import annotations

from .annotators_repo import annotators_file

LICENCE = "MIT, for research only (commercial use: ask the authors)"

WEIGHT = annotators_file(
    "table5_pidinet.pth",
    "80860ac267258b5f27486e0ef152a211d0b08120f62aeb185a050acc30da486c",
    2871148,
    licence=LICENCE,
    commercial=False,
)
"""Also trained_models/table5_pidinet.pth of hellozhuo/pidinet on GitHub, the same bytes."""
