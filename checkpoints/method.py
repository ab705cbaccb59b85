"""Merge methods: one class each in a file of `methods/`, named by its id. A method is one function and its Params.

The engine hands tensors over in chunks, all as float32, and rounds the result once. A method that needs numbers of the
whole tensor (a norm, a threshold) computes them in `measure`, which may read all chunks as often as it likes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from ..core.declarations import Declaration
from ..core.params import Params, between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    Read = Callable[[], "Iterator[Chunk]"]

P = TypeVar("P", bound=Params)
Grain = Literal["element", "vector", "row"]
"""What chunks are made of: single elements, vectors along the last dimension, or rows of the first dimension."""


def weight(text: str, low: float = -10, high: float = 10) -> msgspec.Meta:
    """Bounds and help of a weight."""
    return between(low, high, text, step=0.05)


class Chunk(msgspec.Struct, frozen=True):
    """A part of one tensor of every input.

    tensors: float32, flat for the grain "element", else [rows or vectors, length]. key, shape: of the whole tensor.
    begin: number of the first element in the whole tensor. measured: what `measure` returned. room: a tensor of the
    result's dtype that a native method may write it to.
    """

    tensors: tuple[Tensor, ...]
    key: str
    shape: tuple[int, ...]
    begin: int
    measured: Any = None
    room: Tensor | None = None


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine and the hosts need to know of a method.

    inputs: names of its inputs. more: any number of further ones may follow. grain: of its chunks. halo: rows that it
    reads before and behind those it writes. weight: the parameter that block weights
    stand in for. native: the operation itself widens half precision inside and rounds once, so it may be given that;
    then its grain is "element", it measures nothing, and it writes to the chunk's room where there is one.
    """

    id: str
    title: str
    inputs: tuple[str, ...] = ("A", "B")
    more: bool = False
    grain: Grain = "element"
    halo: int = 0
    weight: str = "alpha"
    native: bool = False


class Method(Declaration[P], ABC, Generic[P]):
    """Base of every merge method; the docstring is its help and holds the formula."""

    spec: ClassVar[Spec]

    @abstractmethod
    def merge(self, chunk: Chunk, params: P) -> Tensor:
        """The merged chunk in the shape of the inputs, which may not be written to; it may be one of them."""

    def measure(self, read: Read, params: P) -> Any:
        """Numbers of the whole tensor that `merge` finds as chunk.measured."""
        del read, params

    def find_copy(self, params: P) -> int | None:
        """Number of the input that the result equals to the bit, if these parameters leave no other; else None."""
        del params

    def merge_as_a1111(self, tensors: tuple[Tensor, ...], params: P) -> Tensor:
        """As A1111's checkpoint merger computes, in the tensors' own dtypes; only what it offers has this."""
        raise NotImplementedError(self.spec.id)

    @classmethod
    def count_inputs(cls) -> str:
        """How many inputs it takes, in words."""
        names = ", ".join(cls.spec.inputs)
        return f"{names} and more" if cls.spec.more else names


def find_end(alpha: float) -> int | None:
    """Input that an interpolation from A to B equals at the ends of its range."""
    return {0.0: 0, 1.0: 1}.get(alpha)
