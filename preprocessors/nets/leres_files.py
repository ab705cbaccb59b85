"""Weights of LeReS; free of heavy imports, so that annotators can declare them."""

from __future__ import annotations

from ...core.weights import Weight

RES101 = Weight(
    repo="lllyasviel/Annotators",
    revision="982e7edaec38759d914a963c48c4726685de7d96",
    file="res101.pth",
    sha256="1d696b2ef3e8336b057d0c15bc82d2fecef821bfebe5ef9d7671a5ec5dde520b",
    size=0,
    licence="AdelaiDepth, non-commercial",
    commercial=False,
)
