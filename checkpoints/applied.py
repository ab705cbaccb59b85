"""A merge method on several values: which keys it computes, with which weights, and each chunk of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import torch

from .families import CHANNELS, find_first_layer
from .method import Chunk
from .values import FLOATS, Shaped, Values, iter_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from ..core.params import Params
    from .method import Method
    from .method_registry import MethodType
    from .values import FileValues

_HALVES = (torch.float16, torch.bfloat16)


class _Plan(NamedTuple):
    """What is done with a value. chosen: the input that is handed through; narrow: channels that all inputs have."""

    key: str
    chosen: Values | None
    params: Params
    narrow: int | None


class AppliedValues(Values):
    """The first input's values, with a method's results in place of the keys that are merged.

    merged: those keys. params: the method's parameters for a key.
    """

    def __init__(
        self, method: MethodType, inputs: Sequence[Values], merged: frozenset[str], params: Callable[[str], Params]
    ) -> None:
        self._method: Method[Any] = method()
        self._spec, self._native = method.spec, method.spec.native
        self._inputs, self._params = tuple(inputs), params
        self.merged = merged
        self.label, self.metadata = inputs[0].label, inputs[0].metadata
        self.entries: Mapping[str, Shaped] = inputs[0].entries
        self._wide = find_first_layer(self.entries)
        self._measured: tuple[str, Any] = ("", None)
        self._plan: _Plan | None = None

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """Merge a span, or hand through what is not merged."""
        _, chosen, params, narrow = self._find_plan(key)
        if chosen is not None:
            return chosen.read(key, begin, end, wanted)
        shape = self.entries[key].shape
        if narrow is not None:
            return self._merge_narrow(key, narrow, params)[begin:end]
        margin = self._spec.halo * self.entries[key].row
        first, last = max(0, begin - margin), min(self.entries[key].numel, end + margin)
        measured = self._measure(key, params)  # first: it reads into the same buffers
        chunk = Chunk(self._read_inputs(key, first, last, wanted), key, shape, first, measured)
        return self._method.merge(chunk, params).reshape(-1)[begin - first : end - first]

    def read_into(self, key: str, begin: int, end: int, room: Tensor) -> Tensor:
        """A native method writes its result where it belongs."""
        _, chosen, params, narrow = self._find_plan(key)
        if chosen is not None:
            return chosen.read_into(key, begin, end, room)
        if self._native and narrow is None and room.dtype in _HALVES:
            tensors = tuple(one.read(key, begin, end) for one in self._inputs[: self._count_needed()])
            if all(tensor.dtype == room.dtype for tensor in tensors):
                return self._method.merge(Chunk(tensors, key, self.entries[key].shape, begin, room=room), params)
        return super().read_into(key, begin, end, room)

    def _find_plan(self, key: str) -> _Plan:
        """Made once for all spans of a value."""
        if self._plan is None or self._plan.key != key:
            self._plan = _Plan(key, self._choose_input(key), self._params(key), self._find_narrow(key))
        return self._plan

    def find_grain(self, key: str) -> int:
        """The widest of its own and its inputs'."""
        chosen = self._choose_input(key)
        if chosen is not None:
            return chosen.find_grain(key)
        entry = self.entries[key]
        if self._find_narrow(key) is not None:
            return max(1, entry.numel)
        own = {"element": 1, "row": entry.row, "vector": entry.shape[-1]}[self._spec.grain]
        return max(1, own, *(one.find_grain(key) for one in self._inputs))

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """Of the input that is handed through."""
        chosen = self._choose_input(key)
        return None if chosen is None else chosen.find_source(key)

    def _choose_input(self, key: str) -> Values | None:
        """The input whose values are the result as they are; None where something is computed."""
        if key not in self.merged:
            return self._inputs[0]
        number = self._method.find_copy(self._params(key))
        if number is None or self._inputs[number].entries[key].shape != self.entries[key].shape:
            return None
        return self._inputs[number]

    def _read_inputs(self, key: str, begin: int, end: int, wanted: torch.dtype | None) -> tuple[Tensor, ...]:
        tensors = [one.read(key, begin, end) for one in self._inputs[: self._count_needed()]]
        native = self._native and wanted in _HALVES and all(tensor.dtype == wanted for tensor in tensors)
        wide = tensors if native else [tensor.to(torch.float32) for tensor in tensors]
        if self._spec.grain == "element":
            return tuple(wide)
        entry = self.entries[key]
        return tuple(tensor.view(-1, entry.row if self._spec.grain == "row" else entry.shape[-1]) for tensor in wide)

    def _count_needed(self) -> int:
        return len(self._inputs) if self._spec.more else len(self._spec.inputs)

    def _measure(self, key: str, params: Params) -> Any:
        """Numbers of the whole tensor, measured once."""
        if self._measured[0] != key:
            self._measured = key, self._method.measure(lambda: self._iter_chunks(key), params)
        return self._measured[1]

    def _iter_chunks(self, key: str) -> Iterator[Chunk]:
        entry = self.entries[key]
        for begin, end in iter_spans(entry.numel, self.find_grain(key)):
            yield Chunk(self._read_inputs(key, begin, end, None), key, entry.shape, begin)

    def _find_narrow(self, key: str) -> int | None:
        """Channels that all inputs have of a first layer that is wider in some of them."""
        if key != self._wide:
            return None
        shapes = {one.entries[key].shape for one in self._inputs[: self._count_needed()]}
        return min(shape[1] for shape in shapes) if len(shapes) > 1 else None

    def _merge_narrow(self, key: str, channels: int, params: Params) -> Tensor:
        """The common channels merged, the others as the first input has them. Such layers are small."""
        whole = [
            one.read(key, 0, one.entries[key].numel).to(torch.float32).view(one.entries[key].shape)
            for one in self._inputs[: self._count_needed()]
        ]
        parts = [tensor[:, :channels].contiguous() for tensor in whole]
        flat = tuple(p.view(-1) if self._spec.grain == "element" else p.view(len(p), -1) for p in parts)
        if self._spec.grain == "vector":
            flat = tuple(part.view(-1, part.shape[-1]) for part in parts)
        shape = tuple(parts[0].shape)
        chunk = Chunk(flat, key, shape, 0)
        measured = self._method.measure(lambda: iter([chunk]), params)
        merged = self._method.merge(msgspec.structs.replace(chunk, measured=measured), params).reshape(shape)
        return torch.cat([merged, whole[0][:, channels:]], 1).reshape(-1)


class A1111Values(AppliedValues):
    """The same with A1111's arithmetic: in the dtypes of the files, rounded at every step."""

    def __init__(
        self, method: MethodType, inputs: Sequence[Values], merged: frozenset[str], params: Callable[[str], Params]
    ) -> None:
        super().__init__(method, inputs, merged, params)
        self._native = False
        self.entries = {key: self._promote(key) if key in merged else entry for key, entry in self.entries.items()}

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """Merge a span."""
        if key not in self.merged:
            return self._inputs[0].read(key, begin, end, wanted)
        if (channels := self._find_narrow(key)) is not None:
            return self._merge_channels(key, channels)[begin:end]
        tensors = tuple(one.read(key, begin, end) for one in self._inputs[: self._count_needed()])
        return self._method.merge_as_a1111(tensors, self._params(key))

    def find_grain(self, key: str) -> int:
        """Element by element, but for a first layer that is wider in A."""
        return 1 if self._find_narrow(key) is None else max(1, self.entries[key].numel)

    def _choose_input(self, key: str) -> Values | None:
        """What is merged is computed at the ends of the range too."""
        return None if key in self.merged else self._inputs[0]

    def _promote(self, key: str) -> Shaped:
        """The dtype that torch computes in, which is that of the result; a wider first layer keeps its own."""
        first, *others = (one.entries[key] for one in self._inputs[: self._count_needed()])
        if any(other.shape != first.shape for other in others):
            return first
        dtype = first.dtype
        for other in others:
            dtype = torch.promote_types(dtype, other.dtype)
        return Shaped(dtype, first.shape)

    def _merge_channels(self, key: str, channels: int) -> Tensor:
        whole = [
            one.read(key, 0, one.entries[key].numel).view(one.entries[key].shape)
            for one in self._inputs[: self._count_needed()]
        ]
        result = whole[0].clone()
        parts = (whole[0][:, :channels], *whole[1:])
        result[:, :channels] = self._method.merge_as_a1111(parts, self._params(key))
        return result.reshape(-1)


def find_mergeable(values: Values, key: str) -> bool:
    """Whether a value is one of numbers that a method may change."""
    return values.entries[key].dtype in FLOATS or values.entries[key].dtype.is_floating_point


def has_known_channels(first: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a first layer may take in another's: equal but for its inputs, 8 or 9 here and 4 there."""
    wide = len(first) == len(other) == 4 and first[:1] + first[2:] == other[:1] + other[2:]
    return wide and other[1] == 4 and first[1] in CHANNELS
