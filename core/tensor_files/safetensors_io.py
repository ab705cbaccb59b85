"""Reads and writes safetensors files with a check of our own before any library sees them.

Format: 8 bytes little-endian length n, n bytes of JSON, then the tensors' bytes without gap or overlap
(github.com/huggingface/safetensors). The library admits headers of 100 MB; a million empty tensors then cost it 45 s.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..errors import BadWeights
from ..files import atomic_stream
from ..regular_files import open_regular_file
from .content import LENGTH, describe_other_kind
from .garbage import pause_collection
from .safetensors_header import parse_header
from .safetensors_layout import BITS, Entry, build_error
from .streams import OPEN_IT, check_size, read_into

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

MAX_HEADER = 16 * 2**20


MAX_COPIED = 256 * 2**20
"""Largest file in bytes that is copied into memory instead of mapped."""


class Header(NamedTuple):
    """What a safetensors file holds. data: offset in the file at which tensor bytes begin."""

    tensors: dict[str, Entry]
    metadata: dict[str, str]
    data: int


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read and judge a file's header. Raises BadWeights naming file, key and fault."""
    where = str(path)
    try:
        with open_regular_file(path) as stream:
            return _read_header(stream, where)
    except OSError as error:
        raise BadWeights(f"cannot be read ({error.strerror or error})", where=where, fix=OPEN_IT) from error
    except (MemoryError, RecursionError) as error:
        raise BadWeights("needs more memory than there is", where=where, fix="close other programs") from error


def _read_header(stream: BinaryIO, where: str) -> Header:
    size = os.fstat(stream.fileno()).st_size
    word = stream.read(8)
    if len(word) < 8:
        raise build_error(f"is {size} bytes long, too short for a safetensors file", where)
    length = int(struct.unpack("<Q", word)[0])
    if length > MAX_HEADER or length > size - 8:
        stream.seek(0)
        if kind := describe_other_kind(stream.read(LENGTH)):
            raise build_error(kind, where)
    if length > MAX_HEADER:
        raise build_error(
            f"announces a header of {length} bytes, more than {MAX_HEADER}; it may not be a safetensors file", where
        )
    if length > size - 8:
        raise build_error(
            f"announces a header of {length} bytes but only {size - 8} follow: the file is cut off", where
        )
    raw = stream.read(length)
    if len(raw) != length or raw[:1] != b"{":
        raise build_error("has a header that is not a JSON object", where)
    with pause_collection():
        return Header(*parse_header(raw, size - 8 - length, where), 8 + length)


def read_safetensors(path: str | os.PathLike[str], header: Header | None = None) -> dict[str, Tensor]:
    """Load a checked file's tensors on the CPU: copied from files up to MAX_COPIED, memory-mapped from larger ones.

    header: what `read_header` said of the file, if it was asked. A mapped file must stay as long as its tensors do: to
    read from one that was cut ends the process, on every system. Raises BadWeights.
    """
    where = str(path)
    header = header or read_header(path)
    size = header.data + max((entry.end for entry in header.tensors.values()), default=0)
    try:
        if size > MAX_COPIED:
            return _map_tensors(path, size, where)
        with open_regular_file(path) as stream:
            content = bytearray(size - header.data)
            stream.seek(header.data)
            read_into(stream, memoryview(content), where)
            check_size(stream, size, where)
        with pause_collection():
            return _view_tensors(content, header, where)
    except OSError as error:
        raise BadWeights(f"cannot be read ({error.strerror or error})", where=where, fix=OPEN_IT) from error
    except MemoryError as error:
        what = f"needs more memory than there is ({size} bytes)"
        raise BadWeights(what, where=where, fix="close other programs") from error


def _map_tensors(path: str | os.PathLike[str], size: int, where: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(path))
    except (SafetensorError, AttributeError, KeyError) as error:
        raise BadWeights(f"could not be loaded ({error})", where=where, fix="update safetensors and torch") from error
    with open_regular_file(path) as stream:
        check_size(stream, size, where)
    return tensors


def _view_tensors(content: bytearray, header: Header, where: str) -> dict[str, Tensor]:
    """Tensors over their parts of the content, what stands behind the header; a part that is not aligned to its numbers
    is copied."""
    import torch

    known = {spelling: (dtype, BITS[spelling] // 8) for dtype, spelling in dtype_names().items()}
    view, tensors = torch.frombuffer, dict[str, "Tensor"]()
    for name, (spelling, shape, begin, end) in header.tensors.items():
        if spelling not in known:
            what = f"is {spelling}, which this torch lacks"
            raise BadWeights(what, where=f"{where}, key {name!r}", fix="update torch")
        dtype, width = known[spelling]
        if begin == end:
            tensors[name] = torch.empty(shape, dtype=dtype)
        else:
            part, at = (content[begin:end], 0) if begin % width else (content, begin)
            flat = view(part, dtype=dtype, count=(end - begin) // width, offset=at)
            tensors[name] = flat if len(shape) == 1 else flat.view(shape)
    return tensors


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Path:
    """Write tensors atomically; the same content gives the same bytes whichever safetensors is installed.

    Tensors are laid out by falling alignment, then name. Raises BadWeights for a dtype the format lacks, WriteFailed.
    """
    names = dtype_names()
    for name, tensor in tensors.items():
        if tensor.dtype not in names:
            what = f"has the dtype {tensor.dtype}, which safetensors lacks"
            raise BadWeights(what, where=f"{path}, key {name!r}", fix="convert the tensor to another dtype")
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
        "complex64": "C64", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
    }  # fmt: skip
    return {getattr(torch, name): spelling for name, spelling in spelled.items() if hasattr(torch, name)}
