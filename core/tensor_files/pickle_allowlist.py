"""The names a weights file may mention and what they mean here: tensors, storages, plain containers, numpy's numbers.

Meanings follow torch/_utils.py and numpy's pickle support; values are built with our own
bounds checks and no function of theirs is looked up by a file's text.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ..errors import BadWeights, UnsafeFile
from .pickle_dtypes import DTYPES, NUMPY_DTYPES, STORAGE_DTYPES
from .pickle_machine import NOTHING_RAN, Name, Pending, describe_value
from .pickle_values import (
    Promise,
    Storage,
    apply_marks,
    flat_tensor,
    to_bytes,
    to_complex,
    to_count,
    to_defaultdict,
    to_device,
    to_dict,
    to_ordered_dict,
    to_set,
    to_shape,
    to_text,
)
from .streams import BIG_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .budget import Budget

    StorageOf = Callable[[str, torch.dtype, int, Any], Tensor | Promise]

PLAIN = (str, bytes, bytearray, bool, int, float, complex, type(None), torch.Tensor, torch.dtype)
"""Types of leaves that data may hold."""

_INERT = frozenset(f"builtins.{name}" for name in ("list", "dict", "int", "float", "str", "bool", "tuple")) | {
    "numpy.ndarray"
}
_RECORDS = frozenset({"mmengine.logging.history_buffer.HistoryBuffer"})
"""Classes of training logs that OpenMMLab's checkpoints carry; read as the table of their attributes, never built."""
_RENAMED = {"__builtin__.": "builtins.", "numpy._core.": "numpy.core."}
_MAX_ARGUMENTS = 16
_MAX_NAME = 1024
_CALL, _VIEW = 5, 10
"""What a call costs beside its instruction, and a tensor beside its call."""


_STAND_IN = torch.empty(0)
"""Every tensor while a file is judged."""


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


class TorchNames:
    """Meanings for one file. storage: called with (key, dtype, count, view) of a persistent id, gives a flat tensor."""

    def __init__(
        self, storage: Callable[[str, torch.dtype, int, Any], Tensor | Promise], budget: Budget, *, where: str
    ) -> None:
        self._storage, self._budget, self._where = storage, budget, where
        self._calls: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor_v2,
            "torch._utils._rebuild_tensor_v3": self._tensor_v3,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch.nn.parameter.Parameter": self._parameter,
            "torch.nn.modules.container.ParameterDict": lambda: _Module(dict),
            "torch.nn.modules.container.ParameterList": lambda: _Module(list),
            "torch.Size": to_shape,
            "torch.device": to_device,
            "collections.OrderedDict": partial(to_ordered_dict, budget),
            "collections.defaultdict": to_defaultdict,
            "builtins.set": partial(to_set, budget),
            "builtins.frozenset": lambda *values: frozenset(to_set(budget, *values)),
            "builtins.bytearray": lambda *parts: bytearray(to_bytes(budget, *parts)),
            "builtins.bytes": lambda: b"",
            "builtins.complex": to_complex,
            "builtins.getattr": self._method,
            "_codecs.encode": partial(to_bytes, budget),
            "numpy.dtype": lambda *parts: _Dtype(to_text(parts[0])),
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
        }
        self._calls |= dict.fromkeys(_RECORDS, _Record)

    def resolve_name(self, text: str) -> Any:
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
        builder = self._calls.get(function.text) if isinstance(function, Name) else None
        if builder is None:
            self._refuse(f"calls a {describe_value(function)}")
        if len(arguments) > _MAX_ARGUMENTS:
            raise TypeError("too many arguments")
        self._budget.spend(_CALL)
        return builder(*arguments)

    def build(self, value: object, state: Any) -> Any:
        """Object with its state; attributes of containers (a state dict's ``_metadata``) are left out."""
        self._budget.spend(_CALL)
        if isinstance(value, OrderedDict) and isinstance(state, (dict, tuple)):
            return value  # type: ignore[return-value]
        if isinstance(value, _Module):
            table = to_dict(to_dict(state)["_parameters"])
            self._budget.spend(len(table))
            parameters: dict[Any, Any] = dict(table)
            return parameters if value.kind is dict else list(parameters.values())
        if isinstance(value, _Dtype):
            if state[1] not in ("<", "|", "="):
                raise BadWeights("holds big-endian numbers", where=self._where, fix=BIG_ENDIAN)
            return value
        if isinstance(value, _Array):
            _, shape, dtype, fortran, raw = state
            return self._array(to_shape(shape), dtype, bool(fortran), raw)
        if isinstance(value, _Record):
            return to_dict(state)
        self._refuse(f"sets the state of a {type(value).__name__}")

    def load_persistent(self, key: Any) -> Any:
        """Storage behind ``("storage", type, key, location, count[, view])``, or a ``("module", name, ...)``'s name."""
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "module" and isinstance(key[1], Name):
            return key[1]  # the older form wraps classes in it, with their source text
        if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage":  # type: ignore[arg-type]
            self._refuse("refers to something outside the file that is not a tensor storage")
        _, kind, name, _, count, *view = key  # type: ignore[misc]
        if len(to_text(name)) > _MAX_NAME:
            raise ValueError("name of a storage is too long")
        self._budget.spend(_CALL)
        dtype = STORAGE_DTYPES.get(kind.text) if isinstance(kind, Name) else None
        if dtype is None:
            self._refuse(f"uses a {describe_value(kind)} as a storage")  # type: ignore[arg-type]
        flat = self._storage(name, dtype, to_count(count), view[0] if view else None)  # type: ignore[arg-type]
        return Storage(flat, kind.text.endswith("UntypedStorage"))  # type: ignore[union-attr]

    def _refuse(self, what: str) -> NoReturn:
        raise UnsafeFile(what, where=self._where, fix=NOTHING_RAN)

    def _method(self, owner: Any, name: Any) -> str:
        """Text that stands for a method which a training log's table of statistics names."""
        if not isinstance(owner, Name) or owner.text not in _RECORDS:
            self._refuse(f"asks for an attribute of a {describe_value(owner)}")
        return to_text(name)

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        if not isinstance(storage, Storage):
            raise TypeError("a storage is needed")
        return self._view(storage.flat, to_count(offset), to_shape(size), to_shape(stride))

    def _tensor_v2(self, *arguments: Any) -> Tensor:
        storage, offset, size, stride, _, _, *metadata = arguments
        return self._apply_marks(self._tensor(storage, offset, size, stride), storage.flat, size, metadata)

    def _tensor_v3(self, *arguments: Any) -> Tensor:
        storage, offset, size, stride, _, _, dtype, *metadata = arguments
        if not isinstance(storage, Storage) or not storage.untyped or not isinstance(dtype, torch.dtype):
            raise TypeError("an untyped storage and a dtype are needed")
        flat = storage.flat.view(dtype)
        return self._apply_marks(self._tensor(Storage(flat, untyped=False), offset, size, stride), flat, size, metadata)

    def _apply_marks(self, tensor: Tensor, flat: Tensor | Promise, size: Any, metadata: list[Any]) -> Tensor:
        marks = metadata[0] if metadata else None
        if marks:  # a negated tensor is a copy
            self._budget.copy(math.prod(to_shape(size)) * flat.element_size())
        return apply_marks(tensor, marks)

    def _parameter(self, data: Any, *rest: Any) -> Tensor:
        del rest  # requires_grad, hooks and state: weights are only read here
        if not isinstance(data, torch.Tensor):
            raise TypeError("a tensor is needed")
        return data

    def _view(self, flat: Tensor | Promise, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        if len(size) != len(stride):
            raise ValueError("size and stride differ")
        self._budget.spend(_VIEW + len(size))
        count = math.prod(size)
        if not count:
            return (
                _STAND_IN if isinstance(flat, Promise) else flat.new_empty(size)
            )  # a cut of nothing may well begin behind its storage
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= flat.numel():
            what = (
                f"holds a tensor of shape {list(size)[:8]} that reaches element {last} of a storage with {flat.numel()}"
            )
            raise BadWeights(what, where=self._where, fix="fetch the file again")
        self._budget.show(count * flat.element_size())
        if isinstance(flat, Promise):
            return _STAND_IN
        return torch.as_strided(flat, size, stride, offset)

    def _scalar(self, dtype: Any, raw: Any) -> Any:
        return self._array((), dtype, fortran=False, raw=raw).item()

    def _array(self, shape: tuple[int, ...], dtype: Any, fortran: bool, raw: Any) -> Tensor:
        known = NUMPY_DTYPES.get(dtype.code) if isinstance(dtype, _Dtype) else None
        if known is None:
            name = dtype.code[:40] if isinstance(dtype, _Dtype) else describe_value(dtype)
            self._refuse(f"holds a numpy array of dtype {name!r}")
        flat = flat_tensor(bytearray(to_bytes(self._budget, raw, "latin1")), known)
        self._budget.spend(_VIEW)
        if flat.numel() != math.prod(shape):
            raise ValueError("array and shape differ")
        if not fortran:
            return flat.reshape(shape)
        return flat.reshape(shape[::-1]).permute(*range(len(shape) - 1, -1, -1))
