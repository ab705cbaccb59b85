"""Names of dtypes in pickled files: torch's storages, torch's dtypes, numpy's codes → dtype."""

from __future__ import annotations

import torch

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
NUMPY_DTYPES = {
    "b1": torch.bool, "u1": torch.uint8, "i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64,
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "c8": torch.complex64, "c16": torch.complex128,
}  # fmt: skip
