"""Weights of Normal BAE; free of heavy imports, so that annotators can declare them."""

from __future__ import annotations

from ...core.weights import Weight

SCANNET = Weight(
    repo="lllyasviel/Annotators",
    revision="982e7edaec38759d914a963c48c4726685de7d96",
    file="scannet.pt",
    sha256="03dbf1600c51ee3d45c29f77b77bf1a3b7a24c3452dba62a4ae658f37330c209",
    size=0,
    licence="MIT",
    commercial=True,
)
