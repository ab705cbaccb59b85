"""The layers of text encoders that are language models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .layers import Module

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class T5:
    """The encoder of a T5 in numbers. inner: width of its feed-forward layers; vocabulary: tokens."""

    clip: str
    layers: int
    width: int
    inner: int
    vocabulary: int = 32128

    def modules(self) -> dict[str, Module]:
        """Name (transformers') → module in registration order."""
        return dict(self._walk())

    def _walk(self) -> Iterator[tuple[str, Module]]:
        width = self.width
        yield "shared", Module("Embedding", (self.vocabulary, width), bias=False)
        for index in range(self.layers):
            block = f"encoder.block.{index}.layer"
            for name in "qkvo":
                yield f"{block}.0.SelfAttention.{name}", Module("Linear", (width, width), bias=False)
            if not index:
                yield f"{block}.0.SelfAttention.relative_attention_bias", Module("Embedding", (32, 64), bias=False)
            yield f"{block}.0.layer_norm", Module("RMSNorm", (width,), bias=False)
            yield f"{block}.1.DenseReluDense.wi_0", Module("Linear", (self.inner, width), bias=False)
            yield f"{block}.1.DenseReluDense.wi_1", Module("Linear", (self.inner, width), bias=False)
            yield f"{block}.1.DenseReluDense.wo", Module("Linear", (width, self.inner), bias=False)
            yield f"{block}.1.layer_norm", Module("RMSNorm", (width,), bias=False)
        yield "encoder.final_layer_norm", Module("RMSNorm", (width,), bias=False)
