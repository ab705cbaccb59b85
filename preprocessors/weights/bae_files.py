"""Weights of Normal BAE; free of heavy imports, so that annotators can declare them."""

from __future__ import annotations

from .annotators_repo import collected

SCANNET = collected(
    "scannet.pt",
    "03dbf1600c51ee3d45c29f77b77bf1a3b7a24c3452dba62a4ae658f37330c209",
    0,
    licence="MIT",
    commercial=True,
)
