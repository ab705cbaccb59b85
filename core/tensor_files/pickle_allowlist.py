"""The names a weights file may mention and what they mean here: tensors, storages, plain containers, numpy's numbers.

Imported lazily (needs torch). Meanings follow torch/_utils.py and numpy's pickle support; values are built with our own
bounds checks and no function of theirs is looked up by a file's text.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ..errors import BadWeights, UnsafeFile
from .pickle_interpreter import NOTHING_RAN, Name, Pending, describe, plain_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

PLAIN = (str, bytes, bytearray, bool, int, float, complex, type(None), torch.Tensor, torch.dtype)
"""Types of leaves that data may hold."""

_STORAGES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
}  # fmt: skip
STORAGE_DTYPES = {f"torch.{name}Storage": dtype for name, dtype in _STORAGES.items()} | {
    "torch.storage.UntypedStorage": torch.uint8,
    "torch.UntypedStorage": torch.uint8,
}
_DTYPE_WORDS = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool complex64 complex128 "
    "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu double float half long int short"
)
DTYPES = {f"torch.{word}": getattr(torch, word) for word in _DTYPE_WORDS.split() if hasattr(torch, word)}
_NUMPY = {
    "b1": torch.bool, "u1": torch.uint8, "i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64,
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "c8": torch.complex64, "c16": torch.complex128,
}  # fmt: skip
_INERT = frozenset(f"builtins.{name}" for name in ("list", "dict", "int", "float", "str", "bool", "tuple")) | {
    "numpy.ndarray"
}
_RECORDS = frozenset({"mmengine.logging.history_buffer.HistoryBuffer"})
"""Classes of training logs that OpenMMLab's checkpoints carry; read as the table of their attributes, never built."""
_RENAMED = {"__builtin__.": "builtins.", "numpy._core.": "numpy.core."}
_MAX_VIEWED = 2**28


@dataclass(frozen=True)
class Storage:
    """Typed bytes of a storage as one flat tensor. untyped: its dtype is decided by the tensor on it."""

    flat: Tensor
    untyped: bool


class _Module(Pending):
    """torch.nn.ParameterDict or ParameterList before its state arrives."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


class _Dtype(Pending):
    """A numpy dtype before its byte order arrives."""

    def __init__(self, code: str) -> None:
        self.code = code


class _Array(Pending):
    """A numpy array before its content arrives."""


class _Record(Pending):
    """An object of _RECORDS before its attributes arrive."""


def item_size(dtype: torch.dtype) -> int:
    """Bytes of one element."""
    return torch.empty(0, dtype=dtype).element_size()


def flat_tensor(buffer: bytearray, dtype: torch.dtype) -> Tensor:
    """One-dimensional tensor over the buffer, sharing its memory."""
    return torch.frombuffer(buffer, dtype=dtype) if buffer else torch.empty(0, dtype=dtype)


class TorchWorld:
    """Meanings for one file. storage: called with (key, dtype, count, view) of a persistent id, gives a flat tensor."""

    def __init__(self, storage: Callable[[str, torch.dtype, int, Any], Tensor], *, file_size: int, where: str) -> None:
        self._storage, self._where = storage, where
        self._allowance = 16 * file_size + _MAX_VIEWED
        self._calls: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor_v2,
            "torch._utils._rebuild_tensor_v3": self._tensor_v3,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch.nn.parameter.Parameter": self._parameter,
            "torch.nn.modules.container.ParameterDict": lambda: _Module(dict),
            "torch.nn.modules.container.ParameterList": lambda: _Module(list),
            "torch.Size": _size,
            "torch.device": _device,
            "collections.OrderedDict": _ordered,
            "collections.defaultdict": _defaultdict,
            "builtins.set": _set,
            "builtins.frozenset": lambda *values: frozenset(_set(*values)),
            "builtins.bytearray": lambda *parts: bytearray(_encoded(*parts)),
            "builtins.bytes": lambda: b"",
            "builtins.complex": _complex,
            "builtins.getattr": self._method,
            "_codecs.encode": lambda *parts: _encoded(*parts),
            "numpy.dtype": lambda *parts: _Dtype(_word(parts[0])),
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
        }
        self._calls |= dict.fromkeys(_RECORDS, _Record)

    def name(self, text: str) -> Any:
        """Value of a mentioned global; raises UnsafeFile for one that is not known."""
        for old, new in _RENAMED.items():
            text = new + text[len(old) :] if text.startswith(old) else text
        if text in DTYPES:
            return DTYPES[text]
        if text in self._calls or text in STORAGE_DTYPES or text in _INERT:
            return Name(text)
        self._refuse(f"asks for {text[:120]!r}")

    def call(self, function: object, arguments: tuple[Any, ...]) -> Any:
        """Result of a known function."""
        made = self._calls.get(function.text) if isinstance(function, Name) else None
        if made is None:
            self._refuse(f"calls a {describe(function)}")
        return made(*arguments)

    def build(self, value: object, state: Any) -> Any:
        """Object with its state; attributes of containers (a state dict's ``_metadata``) are left out."""
        if isinstance(value, OrderedDict) and isinstance(state, (dict, tuple)):
            return value  # type: ignore[return-value]
        if isinstance(value, _Module):
            parameters: dict[Any, Any] = dict(_table(state)["_parameters"].items())
            return parameters if value.kind is dict else list(parameters.values())
        if isinstance(value, _Dtype):
            if state[1] not in ("<", "|", "="):
                raise BadWeights("holds big-endian numbers", where=self._where)
            return value
        if isinstance(value, _Array):
            _, shape, dtype, fortran, raw = state
            return self._array(_size(shape), dtype, bool(fortran), raw)
        if isinstance(value, _Record):
            return _table(state)
        self._refuse(f"sets the state of a {type(value).__name__}")

    def persistent(self, key: Any) -> Any:
        """Storage behind ``("storage", type, key, location, count[, view])``, or a ``("module", name, ...)``'s name."""
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "module" and isinstance(key[1], Name):
            return key[1]  # the older form wraps classes in it, with their source text
        if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage":  # type: ignore[arg-type]
            self._refuse("refers to something outside the file that is not a tensor storage")
        _, kind, name, _, count, *view = key  # type: ignore[misc]
        dtype = STORAGE_DTYPES.get(kind.text) if isinstance(kind, Name) else None
        if dtype is None:
            self._refuse(f"uses a {describe(kind)} as a storage")  # type: ignore[arg-type]
        flat = self._storage(_word(name), dtype, _count(count), view[0] if view else None)  # type: ignore[arg-type]
        return Storage(flat, kind.text.endswith("UntypedStorage"))  # type: ignore[union-attr]

    def _refuse(self, what: str) -> NoReturn:
        raise UnsafeFile(what, where=self._where, fix=NOTHING_RAN)

    def _method(self, owner: Any, name: Any) -> str:
        """Text that stands for a method which a training log's table of statistics names."""
        if not isinstance(owner, Name) or owner.text not in _RECORDS:
            self._refuse(f"asks for an attribute of a {describe(owner)}")
        return _word(name)

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        if not isinstance(storage, Storage):
            raise TypeError("a storage is needed")
        return self._view(storage.flat, _count(offset), _size(size), _size(stride))

    def _tensor_v2(self, *arguments: Any) -> Tensor:
        storage, offset, size, stride, _, _, *metadata = arguments
        return _marked(self._tensor(storage, offset, size, stride), metadata[0] if metadata else None)

    def _tensor_v3(self, *arguments: Any) -> Tensor:
        storage, offset, size, stride, _, _, dtype, *metadata = arguments
        if not isinstance(storage, Storage) or not storage.untyped or not isinstance(dtype, torch.dtype):
            raise TypeError("an untyped storage and a dtype are needed")
        typed = Storage(storage.flat.view(dtype), untyped=False)
        return _marked(self._tensor(typed, offset, size, stride), metadata[0] if metadata else None)

    def _parameter(self, data: Any, *rest: Any) -> Tensor:
        del rest  # requires_grad, hooks and state: weights are only read here
        if not isinstance(data, torch.Tensor):
            raise TypeError("a tensor is needed")
        return data

    def _view(self, flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        if len(size) != len(stride) or len(size) > 64:
            raise ValueError("size and stride differ")
        count = math.prod(size)
        if not count:
            return flat.new_empty(size)  # a cut of nothing may well begin behind its storage
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= flat.numel():
            what = (
                f"holds a tensor of shape {list(size)[:8]} that reaches element {last} of a storage with {flat.numel()}"
            )
            raise BadWeights(what, where=self._where, fix="fetch the file again")
        self._allowance -= count * flat.element_size()
        if self._allowance < 0:
            raise BadWeights("repeats its bytes into far more tensors than the file holds", where=self._where)
        return torch.as_strided(flat, size, stride, offset)

    def _scalar(self, dtype: Any, raw: Any) -> Any:
        return self._array((), dtype, fortran=False, raw=raw).item()

    def _array(self, shape: tuple[int, ...], dtype: Any, fortran: bool, raw: Any) -> Tensor:
        known = _NUMPY.get(dtype.code) if isinstance(dtype, _Dtype) else None
        if known is None:
            self._refuse(
                f"holds a numpy array of dtype {dtype.code[:40] if isinstance(dtype, _Dtype) else describe(dtype)!r}"
            )
        flat = flat_tensor(bytearray(_encoded(raw, "latin1")), known)
        if flat.numel() != math.prod(shape):
            raise ValueError("array and shape differ")
        if not fortran:
            return flat.reshape(shape)
        return flat.reshape(shape[::-1]).permute(*range(len(shape) - 1, -1, -1))


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("a count is needed")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a word is needed")
    return value


def _table(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError("a table is needed")
    return value  # type: ignore[return-value]


def _size(values: Any) -> tuple[int, ...]:
    return tuple(map(_count, _listed(values)))


def _listed(values: Any) -> Any:
    if not isinstance(values, (list, tuple)):
        raise TypeError("a list is needed")
    return values  # type: ignore[return-value]


def _set(values: Any = ()) -> set[Any]:
    return set(map(plain_key, _listed(values)))


def _defaultdict(factory: Any = None) -> dict[Any, Any]:
    del factory  # what a missing key would give is of no use to a reader
    return {}


def _device(kind: Any, index: Any = None) -> str:
    return _word(kind) if index is None else f"{_word(kind)}:{_count(index)}"


def _complex(real: Any, imaginary: Any) -> complex:
    return complex(float(real), float(imaginary))


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    return OrderedDict((plain_key(key), value) for key, value in _listed(pairs))


def _encoded(text: Any = b"", encoding: Any = "latin1") -> bytes:
    """Bytes as Python 2 and 3 pickle them: themselves, or text to be encoded as Latin-1."""
    if isinstance(text, (bytes, bytearray)):
        return bytes(text)
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise TypeError("Latin-1 text is needed")
    return text.encode("latin-1")


def _marked(tensor: Tensor, metadata: Any) -> Tensor:
    """Tensor with torch's conjugate and negative marks applied."""
    marks = _table(metadata or {})
    if set(marks) - {"conj", "neg"}:
        raise ValueError("unknown tensor metadata")
    tensor = tensor.conj() if marks.get("conj") else tensor
    return -tensor if marks.get("neg") else tensor
