"""Choices that several operations on checkpoints share."""

from __future__ import annotations

from typing import Literal

DType = Literal["auto", "fp16", "bf16", "fp32"]
Vae = Literal["keep", "merge"]
Arithmetic = Literal["exact", "a1111"]
