"""Weights of Normal BAE."""

from __future__ import annotations

from .annotators_repo import annotators_file

SCANNET = annotators_file(
    "scannet.pt",
    "03dbf1600c51ee3d45c29f77b77bf1a3b7a24c3452dba62a4ae658f37330c209",
    0,
    licence="MIT",
    commercial=True,
)
