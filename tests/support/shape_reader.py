"""Weights of which only names and shapes are there, such as the complete key lists of official models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from underdrawing.checkpoints.layouts.reading import Weights
from underdrawing.core.tensor_files.safetensors_io import Entry
from underdrawing.core.tensor_files.tensor_reader import TensorReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ShapeReader(TensorReader):
    """Every tensor is full of one number."""

    def __init__(self, shapes: Mapping[str, Sequence[int]], metadata: Mapping[str, str], value: float) -> None:
        entries = {name: Entry("F16", tuple(shape), 0, 0) for name, shape in shapes.items()}
        super().__init__(Path("listed.safetensors"), entries, metadata)
        self.value = value

    def tensor(self, name: str) -> torch.Tensor:
        """Constant float16."""
        return torch.full(self.entries[name].shape, self.value, dtype=torch.float16)

    def read(self, name: str, begin: int, into: memoryview) -> None:
        """There are no bytes."""
        raise NotImplementedError(name)


def make_weights(
    shapes: Mapping[str, Sequence[int]], metadata: Mapping[str, str] | None = None, *, value: float = 0.0
) -> Weights:
    """Weights with such names and shapes."""
    return Weights([ShapeReader(shapes, metadata or {}, value)], "listed.safetensors")
