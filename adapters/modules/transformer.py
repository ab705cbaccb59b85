"""The layers of transformers that denoise, from one table for each family: both names, and the shape in few numbers.

A table has a line for each layer::

    transformer_blocks.#.attn.to_q | double_blocks.#.img_attn.qkv | d d
    transformer_blocks.#.attn.to_k | double_blocks.#.img_attn.qkv | d d
    norm_out.linear | final_layer.adaLN_modulation.1 | 2d d | swapped

First diffusers' name, # for the number of a block; then the name in the makers' files, ``=`` where it is the same.
Layers with one name there are one weight, in which their rows follow each other. Other names in use stand behind
commas, and scale behind a dot is what the weight is called there. Then the class (Linear, where none stands), the shape
as sums of the model's numbers, and options: swapped (the two halves change places), plain (no bias), value (no layer,
but a tensor of that name), if=g (only where the number g is not 0), and in which blocks: last, inner (all but the
last), first (the first blocks, as many as the number ``first``), later (the others).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args

from .layers import Module, ModuleClass
from .sizes import Size, compute_size, read_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T", bound="LayerTable")
_CLASSES: dict[str, ModuleClass] = {name: name for name in get_args(ModuleClass)}
_BLOCKS = ("last", "inner", "first", "later")
_SCALE = ".scale"
_INPUT: Size = ((1, "c"),)
_NEEDS = "if="


class Layer(NamedTuple):
    """A line of a table. originals: its names in makers' files. needs: number without which a model has it not."""

    name: str
    originals: tuple[str, ...]
    kind: ModuleClass
    shape: tuple[Size, ...]
    bias: bool = True
    swapped: bool = False
    blocks: str = ""
    value: bool = False
    needs: str = ""

    @property
    def sources(self) -> tuple[tuple[str, str], ...]:
        """Its modules in makers' files, and what the weight is called there."""
        return tuple(
            (name.removesuffix(_SCALE), "scale" if name.endswith(_SCALE) else "weight") for name in self.originals
        )


def read_layers(text: str) -> tuple[Layer, ...]:
    """Layers of a table. Raises ValueError for a line that is none."""
    return tuple(_read_line(line) for line in text.splitlines() if line.strip())


def _read_line(line: str) -> Layer:
    name, original, shape, *rest = (column.strip() for column in line.split("|"))
    options, sizes = {word for column in rest for word in column.split()}, shape.split()
    kind = _CLASSES[sizes.pop(0)] if sizes and sizes[0] in _CLASSES else "Linear"
    needs = next((option.removeprefix(_NEEDS) for option in options if option.startswith(_NEEDS)), "")
    if unknown := options - {"swapped", "plain", "value", f"{_NEEDS}{needs}", *_BLOCKS}:
        raise ValueError(f"{line!r}: there is no option {', '.join(sorted(unknown))}")
    return Layer(
        name,
        tuple(name if other.strip() == "=" else other.strip() for other in original.split(",")),
        kind,
        tuple(read_size(size) for size in sizes),
        bias="plain" not in options and kind != "RMSNorm",
        swapped="swapped" in options,
        blocks=next((option for option in _BLOCKS if option in options), ""),
        value="value" in options,
        needs=needs,
    )


@dataclass(frozen=True)
class LayerTable:
    """A network in a table and numbers: those of the table's shapes, and of blocks by the name before their number."""

    layers: tuple[Layer, ...]
    numbers: Mapping[str, int]

    def modules(self) -> dict[str, Module]:
        """Canonical name → module."""
        return dict(self._walk(layer for layer in self.layers if not layer.value))

    def resize(self: T, **numbers: int) -> T:
        """The same with other numbers."""
        return replace(self, numbers={**self.numbers, **numbers})

    def _walk(self, layers: Iterable[Layer]) -> Iterator[tuple[str, Module]]:
        for layer in layers:
            shape = tuple(compute_size(size, self.numbers) for size in layer.shape)
            module = Module(layer.kind, shape, layer.bias)
            start, mark, _ = layer.name.partition(".#")
            count = self.numbers[start] if mark else 1
            for number in range(count):
                if self._has(layer, number, count):
                    yield layer.name.replace("#", str(number), 1), module

    def _has(self, layer: Layer, number: int, count: int) -> bool:
        """Whether the block of that number has the layer."""
        if layer.needs and not self.numbers[layer.needs]:
            return False
        first = self.numbers.get("first", 0)
        return {
            "last": number == count - 1,
            "inner": number < count - 1,
            "first": number < first,
            "later": number >= first,
        }.get(layer.blocks, True)


@dataclass(frozen=True)
class Transformer(LayerTable):
    """A transformer that denoises, of diffusers.

    model_class: its class there. blocks: name before a block's number → short name in lists of block weights.
    """

    model_class: str = ""
    blocks: Mapping[str, str] = field(default_factory=dict[str, str])

    def find_input(self) -> str | None:
        """Name of the layer that takes the latent: the one whose columns are the number c."""
        return next((layer.name for layer in self.layers if len(layer.shape) > 1 and layer.shape[1] == _INPUT), None)
