"""Reads and writes safetensors files with a check of our own before any library sees them.

Format: 8 bytes little-endian length n, n bytes of JSON, then the tensors' bytes without gap or overlap
(github.com/huggingface/safetensors). The library admits headers of 100 MB; a million empty tensors then cost it 45 s.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..errors import BadWeights
from ..files import atomic_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

MAX_HEADER = 16 * 2**20
MAX_TENSORS = 100_000
MAX_NAME = 512
MAX_RANK = 64
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class Entry(NamedTuple):
    """One tensor: dtype as the file spells it, shape, and its bytes' span [begin, end) after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """What a safetensors file holds. data: offset in the file at which tensor bytes begin."""

    tensors: dict[str, Entry]
    metadata: dict[str, str]
    data: int


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read and judge a file's header. Raises BadWeights naming file, key and fault."""
    where = str(path)
    try:
        with Path(path).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            raw = _read_raw_header(stream, size, where)
    except OSError as error:
        raise BadWeights(f"cannot be read ({error.strerror or error})", where=where) from error
    data = 8 + len(raw)
    table = _parse_table(raw, where)
    metadata = _check_metadata(table.pop("__metadata__", {}), where)
    if len(table) > MAX_TENSORS:
        raise _build_error(f"holds {len(table)} tensors, more than {MAX_TENSORS}", where)
    tensors = {name: _parse_entry(name, value, where) for name, value in table.items()}
    _check_spans(tensors, size - data, where)
    return Header(tensors, metadata, data)


def _build_error(what: str, where: str, key: str = "") -> BadWeights:
    return BadWeights(what, where=f"{where}, key {key[:80]!r}" if key else where, fix="fetch or export the file again")


def _read_raw_header(stream: BinaryIO, size: int, where: str) -> bytes:
    word = stream.read(8)
    if len(word) < 8:
        raise _build_error(f"is {size} bytes long, too short for a safetensors file", where)
    length = int(struct.unpack("<Q", word)[0])
    if length > MAX_HEADER:
        raise _build_error(
            f"announces a header of {length} bytes, more than {MAX_HEADER}; it may not be a safetensors file", where
        )
    if length > size - 8:
        raise _build_error(
            f"announces a header of {length} bytes but only {size - 8} follow: the file is cut off", where
        )
    raw = stream.read(length)
    if len(raw) != length or raw[:1] != b"{":
        raise _build_error("has a header that is not a JSON object", where)
    if raw.count(b'"data_offsets"') > MAX_TENSORS or max(raw.count(b"["), raw.count(b"{")) > 4 * MAX_TENSORS:
        raise _build_error(f"holds more than {MAX_TENSORS} tensors", where)
    return raw


def _parse_table(raw: bytes, where: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise _build_error("is there twice", where, twice)
        return table

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _build_error(f"has a header that is not valid JSON ({type(error).__name__})", where) from error


def _check_metadata(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):  # type: ignore[misc]
        raise _build_error("is not a table of texts", where, "__metadata__")
    return value  # type: ignore[return-value]


def _parse_entry(name: str, value: Any, where: str) -> Entry:
    if not _is_encodable(name) or len(name.encode()) > MAX_NAME:
        raise _build_error(f"has a name that is not text of at most {MAX_NAME} bytes", where, ascii(name))
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:  # type: ignore[arg-type]
        raise _build_error("needs exactly dtype, shape and data_offsets", where, name)
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]  # type: ignore[index]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _build_error(f"has the unknown dtype {str(dtype)[:40]!r}", where, name)  # type: ignore[arg-type]
    if not _is_counts(shape) or len(shape) > MAX_RANK:
        raise _build_error(f"has a shape that is not a list of at most {MAX_RANK} counts", where, name)
    if not _is_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _build_error("has data_offsets that are not two rising counts", where, name)
    entry = Entry(dtype, tuple(shape), offsets[0], offsets[1])
    bits = math.prod(entry.shape) * _BITS[dtype]
    if bits != 8 * (entry.end - entry.begin):
        raise _build_error(
            f"is {dtype} {list(shape)}, which is {bits / 8:g} bytes, but spans {entry.end - entry.begin}", where, name
        )
    return entry


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_counts(value: Any) -> bool:
    """Whether value is a list of integers from 0 to 2^63-1 (booleans are none)."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)  # type: ignore[misc]


def _check_spans(tensors: dict[str, Entry], size: int, where: str) -> None:
    """Tensor bytes must cover [0, size) exactly once."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.end > size:
            raise _build_error(f"ends at byte {entry.end} but the file holds {size}: it is cut off", where, name)
        if entry.begin != end:
            fault = (
                "overlaps the tensor before it"
                if entry.begin < end
                else f"leaves a hole of {entry.begin - end} bytes before it"
            )
            raise _build_error(fault, where, name)
        end = entry.end
    if end != size:
        raise _build_error(f"holds {size - end} bytes that belong to no tensor", where)


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Load a checked file's tensors, memory-mapped on the CPU. Raises BadWeights."""
    read_header(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except (SafetensorError, OSError, AttributeError, KeyError) as error:
        raise BadWeights(
            f"could not be loaded ({error})", where=str(path), fix="update safetensors and torch"
        ) from error


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Path:
    """Write tensors atomically; the same content gives the same bytes whichever safetensors is installed.

    Tensors are laid out by falling alignment, then name. Raises BadWeights for a dtype the format lacks, WriteFailed.
    """
    names = dtype_names()
    for name, tensor in tensors.items():
        if tensor.dtype not in names:
            raise BadWeights(f"has the dtype {tensor.dtype}, which safetensors lacks", where=f"{path}, key {name!r}")
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    entries: dict[str, Entry] = {}
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = Entry(names[tensor.dtype], tuple(tensor.shape), begin, end)
    head = encode_header(entries, metadata or {})
    with atomic_stream(path, size=len(head) + end) as stream:
        stream.write(head)
        for _, tensor in ordered:
            stream.write(encode_tensor(tensor))
    return Path(path)


def encode_header(entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> bytes:
    """What a file begins with: length and JSON, padded so that tensors start at a multiple of 8."""
    table: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    for name, (dtype, shape, begin, end) in entries.items():
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    head = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head


def encode_tensor(tensor: Tensor) -> memoryview:
    """A tensor's content as it stands in a file."""
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return memoryview(plain.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]


def dtype_names() -> dict[torch.dtype, str]:
    """Every dtype of this torch that the format has → the format's name of it."""
    import torch

    spelled = {
        "bool": "BOOL", "uint8": "U8", "int8": "I8", "float8_e5m2": "F8_E5M2", "float8_e4m3fn": "F8_E4M3",
        "float8_e8m0fnu": "F8_E8M0", "int16": "I16", "uint16": "U16", "float16": "F16", "bfloat16": "BF16",
        "int32": "I32", "uint32": "U32", "float32": "F32", "int64": "I64", "uint64": "U64", "float64": "F64",
        "complex64": "C64",
    }  # fmt: skip
    return {getattr(torch, name): spelling for name, spelling in spelled.items() if hasattr(torch, name)}
