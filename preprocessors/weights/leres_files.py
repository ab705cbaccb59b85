"""Weights of LeReS."""

from __future__ import annotations

from .annotators_repo import annotators_file

RES101 = annotators_file(
    "res101.pth",
    "1d696b2ef3e8336b057d0c15bc82d2fecef821bfebe5ef9d7671a5ec5dde520b",
    0,
    licence="AdelaiDepth, non-commercial",
    commercial=False,
)
