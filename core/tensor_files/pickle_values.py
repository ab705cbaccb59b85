"""Values that pickles of weights hold: tensors over buffers, and conversions that check what they are given.

A `to_...` function raises TypeError or ValueError for a value of another kind.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .budget import Budget

MAX_PICKLE = 32 * 2**20
"""Largest stream of pickle instructions; tensor bytes do not count."""
MAX_RANK = 64
_MAX_DEVICE = 64


class Promise(NamedTuple):
    """Stands for a flat tensor while a file is judged, before any of its bytes are read."""

    dtype: torch.dtype
    length: int

    def numel(self) -> int:
        """Number of elements."""
        return self.length

    def element_size(self) -> int:
        """Bytes of one element."""
        return item_size(self.dtype)

    def view(self, dtype: torch.dtype) -> Promise:
        """The same bytes as another dtype. Raises ValueError where they are no whole number of elements."""
        count, rest = divmod(self.length * self.element_size(), item_size(dtype))
        if rest:
            raise ValueError("bytes and dtype differ")
        return Promise(dtype, count)

    def narrow(self, _dimension: int, _start: int, length: int) -> Promise:
        """A part of it."""
        return Promise(self.dtype, length)


@dataclass(frozen=True)
class Storage:
    """Typed bytes of a storage as one flat tensor. untyped: its dtype is decided by the tensor on it."""

    flat: Tensor | Promise
    untyped: bool


@cache
def item_size(dtype: torch.dtype) -> int:
    """Bytes of one element."""
    return torch.empty(0, dtype=dtype).element_size()


def flat_tensor(buffer: bytearray | memoryview, dtype: torch.dtype) -> Tensor:
    """One-dimensional tensor over the buffer, sharing its memory."""
    return torch.frombuffer(buffer, dtype=dtype) if buffer else torch.empty(0, dtype=dtype)


def to_count(value: Any) -> int:
    """A whole number from 0 on."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("a count is needed")
    return value


def to_text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return value


def to_dict(value: Any) -> dict[Any, Any]:
    """A dict."""
    if not isinstance(value, dict):
        raise TypeError("a dict is needed")
    return value  # type: ignore[return-value]


def to_shape(values: Any) -> tuple[int, ...]:
    """Sizes of a tensor's dimensions, at most MAX_RANK."""
    if len(to_list(values)) > MAX_RANK:
        raise ValueError("too many dimensions")
    return tuple([to_count(value) for value in values])


def to_list(values: Any) -> Any:
    """A list or tuple."""
    if not isinstance(values, (list, tuple)):
        raise TypeError("a list is needed")
    return values  # type: ignore[return-value]


def to_set(budget: Budget, values: Any = ()) -> set[Any]:
    """A set of plain keys."""
    budget.spend(len(to_list(values)) + 4)
    found: set[Any] = set()
    for value in values:
        found.add(budget.check_key(value, len(found)))
    return found


def to_defaultdict(factory: Any = None) -> dict[Any, Any]:
    """An empty dict."""
    del factory  # what a missing key would give is of no use to a reader
    return {}


def to_device(kind: Any, index: Any = None) -> str:
    """Name of a device."""
    if len(to_text(kind)) > _MAX_DEVICE:
        raise ValueError("no device has such a name")
    return kind if index is None else f"{kind}:{to_count(index)}"


def to_complex(real: Any, imaginary: Any) -> complex:
    """A complex number."""
    if not isinstance(real, (int, float)) or not isinstance(imaginary, (int, float)):
        raise TypeError("numbers are needed")
    return complex(real, imaginary)


def to_ordered_dict(budget: Budget, pairs: Any = ()) -> OrderedDict[Any, Any]:
    """Dict of plain keys in the order given."""
    budget.spend(4 * len(to_list(pairs)) + 4)
    table: OrderedDict[Any, Any] = OrderedDict()
    for key, value in pairs:
        table[budget.check_key(key, len(table))] = value
    return table


def to_bytes(budget: Budget, text: Any = b"", encoding: Any = "latin1") -> bytes:
    """Bytes as Python 2 and 3 pickle them: themselves, or text to be encoded as Latin-1."""
    if isinstance(text, (bytes, bytearray)):
        budget.copy(2 * len(text))
        return bytes(text)
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise TypeError("Latin-1 text is needed")
    budget.copy(2 * len(text))
    return text.encode("latin-1")


def apply_marks(tensor: Tensor, metadata: Any) -> Tensor:
    """Tensor with torch's conjugate and negative marks applied."""
    marks = to_dict(metadata or {})
    if len(marks) > 2 or set(marks) - {"conj", "neg"}:
        raise ValueError("unknown tensor metadata")
    tensor = tensor.conj() if marks.get("conj") else tensor
    return -tensor if marks.get("neg") else tensor


def check_storage(flat: Tensor | Promise, dtype: torch.dtype, count: int) -> Tensor | Promise:
    """Storage of the announced dtype and length. Raises ValueError for another."""
    if flat.dtype != dtype or flat.numel() != count:
        raise ValueError("one storage is announced in two ways")
    return flat
