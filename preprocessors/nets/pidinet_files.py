"""The weights file that fits the network of `nets.pidinet`; free of heavy imports, for annotators to declare."""

from __future__ import annotations

from ...core.weights import Weight

LICENCE = "MIT, for research only (commercial use: ask the authors)"

WEIGHT = Weight(
    repo="lllyasviel/Annotators",
    revision="982e7edaec38759d914a963c48c4726685de7d96",
    file="table5_pidinet.pth",
    sha256="80860ac267258b5f27486e0ef152a211d0b08120f62aeb185a050acc30da486c",
    size=2871148,
    licence=LICENCE,
    commercial=False,
)
"""Also trained_models/table5_pidinet.pth of hellozhuo/pidinet on GitHub, the same bytes."""
