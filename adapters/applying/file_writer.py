"""Weights with adapters in them, written as a safetensors file one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from ...core.tensor_files.safetensors_io import Entry, encode_header, encode_tensor, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .baked_weights import BakedWeights


def lay_out(result: BakedWeights, names: Mapping[str, str]) -> dict[str, Entry]:
    """Key → its entry in a file that holds these keys and no others, in their order. names: key → name in the file."""
    found, end = dict[str, Entry](), 0
    for key in names:
        own = result.entries[key]
        found[key] = Entry(own.dtype, own.shape, end, end + own.end - own.begin)
        end = found[key].end
    return found


def write_entries(
    stream: BinaryIO,
    result: BakedWeights,
    names: Mapping[str, str],
    metadata: Mapping[str, str],
    step: Callable[[], None] | None = None,
) -> None:
    """Write the keys under these names. step: called behind each."""
    entries = lay_out(result, names)
    head = encode_header({names[key]: entry for key, entry in entries.items()}, metadata)
    stream.write(head)
    for key in names:
        for piece in result.read_pieces(key):
            stream.write(piece)
        if step is not None:
            step()
    end = stream.tell()
    for key, scale in result.scales.items():  # known only when their weights were computed
        if key in entries:
            stream.seek(len(head) + entries[key].begin)
            stream.write(encode_tensor(scale))
    stream.seek(end)


def count_bytes(path: Path) -> int:
    """Bytes of all tensors of a file."""
    entries = read_header(path).tensors.values()
    return sum(entry.end - entry.begin for entry in entries)


def measure(result: BakedWeights, metadata: Mapping[str, str]) -> int:
    """Bytes of a file that holds everything."""
    end = max((entry.end for entry in result.entries.values()), default=0)
    return len(encode_header(result.entries, metadata)) + end
