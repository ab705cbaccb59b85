"""The layers of UNets and CLIP text encoders, computed from a few numbers each.

Names are diffusers' and transformers' own, in registration order (positional files depend on it). Tests compare them
with complete key lists of the official models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

ModuleClass = Literal["Linear", "Conv1d", "Conv2d", "Conv3d", "GroupNorm", "LayerNorm", "RMSNorm", "Embedding"]


class Module(NamedTuple):
    """Class and weight shape of a layer that has weights; bias: whether it has one."""

    kind: ModuleClass
    shape: tuple[int, ...]
    bias: bool = True


class Network(Protocol):
    """What knows the layers of one part of a base model."""

    def modules(self) -> dict[str, Module]:
        """Name → module in registration order."""
        ...


@dataclass(frozen=True)
class UNet:
    """A diffusers UNet2DConditionModel in numbers.

    widths: channels per level. depths: transformer blocks per level, 0 for a level without attention. context: width of
    the text encoding. added: width of SDXL's added embedding, 0 without. linear: proj_in and proj_out are Linear.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    context: int
    middle: int = 1
    added: int = 0
    linear: bool = True
    channels: int = 4
    resnets: int = 2

    def modules(self) -> dict[str, Module]:
        """Name → module in registration order."""
        return dict(self._walk())

    def _walk(self) -> Iterator[tuple[str, Module]]:
        first, time = self.widths[0], self.widths[0] * 4
        yield "conv_in", Module("Conv2d", (first, self.channels, 3, 3))
        yield from _embedding("time_embedding", first, time)
        if self.added:
            yield from _embedding("add_embedding", self.added, time)
        yield from self._down(time)
        yield from self._up(time)
        widest = self.widths[-1]
        yield from self._attention("mid_block.attentions.0", widest, self.middle)
        for index in range(2):
            yield from _resnet(f"mid_block.resnets.{index}", widest, widest, time)
        yield "conv_norm_out", Module("GroupNorm", (first,))
        yield "conv_out", Module("Conv2d", (self.channels, first, 3, 3))

    def _down(self, time: int) -> Iterator[tuple[str, Module]]:
        before = self.widths[0]
        for level, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            name = f"down_blocks.{level}"
            for index in range(self.resnets if depth else 0):
                yield from self._attention(f"{name}.attentions.{index}", width, depth)
            for index in range(self.resnets):
                yield from _resnet(f"{name}.resnets.{index}", width if index else before, width, time)
            if level < len(self.widths) - 1:
                yield f"{name}.downsamplers.0.conv", Module("Conv2d", (width, width, 3, 3))
            before = width

    def _up(self, time: int) -> Iterator[tuple[str, Module]]:
        widths, depths = self.widths[::-1], self.depths[::-1]
        before = widths[0]
        for level, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            name, below = f"up_blocks.{level}", widths[min(level + 1, len(widths) - 1)]
            for index in range(self.resnets + 1 if depth else 0):
                yield from self._attention(f"{name}.attentions.{index}", width, depth)
            for index in range(self.resnets + 1):
                skip = below if index == self.resnets else width
                yield from _resnet(f"{name}.resnets.{index}", (width if index else before) + skip, width, time)
            if level < len(widths) - 1:
                yield f"{name}.upsamplers.0.conv", Module("Conv2d", (width, width, 3, 3))
            before = width

    def _attention(self, name: str, width: int, depth: int) -> Iterator[tuple[str, Module]]:
        projection = Module("Linear", (width, width)) if self.linear else Module("Conv2d", (width, width, 1, 1))
        yield f"{name}.norm", Module("GroupNorm", (width,))
        yield f"{name}.proj_in", projection
        for index in range(depth):
            block = f"{name}.transformer_blocks.{index}"
            for number, source in enumerate((width, self.context), start=1):
                yield f"{block}.norm{number}", Module("LayerNorm", (width,))
                yield f"{block}.attn{number}.to_q", Module("Linear", (width, width), bias=False)
                yield f"{block}.attn{number}.to_k", Module("Linear", (width, source), bias=False)
                yield f"{block}.attn{number}.to_v", Module("Linear", (width, source), bias=False)
                yield f"{block}.attn{number}.to_out.0", Module("Linear", (width, width))
            yield f"{block}.norm3", Module("LayerNorm", (width,))
            yield f"{block}.ff.net.0.proj", Module("Linear", (8 * width, width))
            yield f"{block}.ff.net.2", Module("Linear", (width, 4 * width))
        yield f"{name}.proj_out", projection


def _embedding(name: str, source: int, time: int) -> Iterator[tuple[str, Module]]:
    yield f"{name}.linear_1", Module("Linear", (time, source))
    yield f"{name}.linear_2", Module("Linear", (time, time))


def _resnet(name: str, source: int, width: int, time: int) -> Iterator[tuple[str, Module]]:
    yield f"{name}.norm1", Module("GroupNorm", (source,))
    yield f"{name}.conv1", Module("Conv2d", (width, source, 3, 3))
    yield f"{name}.time_emb_proj", Module("Linear", (width, time))
    yield f"{name}.norm2", Module("GroupNorm", (width,))
    yield f"{name}.conv2", Module("Conv2d", (width, width, 3, 3))
    if source != width:
        yield f"{name}.conv_shortcut", Module("Conv2d", (width, source, 1, 1))


@dataclass(frozen=True)
class TextEncoder:
    """A CLIP text encoder in numbers.

    clip: ComfyUI's name of the model ("clip_l"), which SDXL embeddings use too. projection: whether it ends in a text
    projection.
    """

    clip: str
    layers: int
    width: int
    projection: bool = False

    def modules(self) -> dict[str, Module]:
        """Name (transformers', without "text_model.") → module in registration order."""
        return dict(self._walk())

    def _walk(self) -> Iterator[tuple[str, Module]]:
        width = self.width
        yield "embeddings.token_embedding", Module("Embedding", (49408, width), bias=False)
        yield "embeddings.position_embedding", Module("Embedding", (77, width), bias=False)
        for index in range(self.layers):
            layer = f"encoder.layers.{index}"
            for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
                yield f"{layer}.self_attn.{name}", Module("Linear", (width, width))
            yield f"{layer}.layer_norm1", Module("LayerNorm", (width,))
            yield f"{layer}.mlp.fc1", Module("Linear", (4 * width, width))
            yield f"{layer}.mlp.fc2", Module("Linear", (width, 4 * width))
            yield f"{layer}.layer_norm2", Module("LayerNorm", (width,))
        yield "final_layer_norm", Module("LayerNorm", (width,))
        if self.projection:
            yield "text_projection", Module("Linear", (width, width), bias=False)
