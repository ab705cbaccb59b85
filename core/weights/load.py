"""Opens weights files: safetensors as they are, pickled files through our own reader, converted once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadWeights, WriteFailed
from ..regular_files import open_regular_file

if TYPE_CHECKING:
    from torch import Tensor

    from .record import Weight

    Content = tuple[dict[str, Tensor], dict[str, str]]

SAFETENSORS = ".safetensors"
MOST_HEADER = 1 << 30
"""No header of a safetensors file is as long."""
PICKLED = (".pth", ".pt", ".ckpt", ".bin")
WRAPPERS = ("state_dict", "model", "params", "depth_model")
"""Keys under which checkpoints keep the table of tensors; tried in this order, again inside what they hold."""


def read_weights(path: Path, weight: Weight, cache: Path) -> Content:
    """Tensors and metadata of the file at path, which has the record's bytes; its content decides how it is read.

    cache: folder for the safetensors made of pickled files, named by hash. Raises BadWeights or UnsafeFile.
    """
    suffix = Path(weight.file).suffix.lower()
    if suffix not in (*PICKLED, SAFETENSORS):
        raise BadWeights(f"files ending in {suffix!r} hold no tensors this can read", where=weight.id)
    if (find_format(path) or suffix) == SAFETENSORS:
        return _read(path)
    return _convert_once(weight, path, cache / f"{weight.sha256}{SAFETENSORS}")


def find_format(path: Path) -> str:
    """Whether a file's first bytes are those of safetensors or of a pickle (its ending); empty for neither."""
    with open_regular_file(path) as stream:
        start = stream.read(9)
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") < MOST_HEADER:
        return SAFETENSORS
    return PICKLED[0] if start.startswith((b"PK\x03\x04", b"\x80")) else ""


def check_declared(path: Path, weight: Weight, cache: Path) -> None:
    """Read a file that a user declares to be a weight, so that one that cannot be used is refused at once.

    weight: its record, with the file's hash. Raises BadWeights or UnsafeFile.
    """
    if Path(weight.file).suffix.lower() in (*PICKLED, SAFETENSORS):
        read_weights(path, weight, cache)
    elif found := find_format(path):
        what = f"holds tensors as a {found} file does, {weight.id} is another kind of file"
        raise BadWeights(what, where=str(path), fix="get the right file")


def _convert_once(weight: Weight, path: Path, target: Path) -> Content:
    from ..tensor_files.safetensors_io import write_safetensors

    if target.is_file():
        try:
            tensors, metadata = _read(target)
        except BadWeights:
            tensors, metadata = {}, {}
        if metadata.get("source_sha256") == weight.sha256:
            return tensors, metadata
    tensors, metadata = _read_pickle(weight, path)
    with suppress(WriteFailed):  # a read-only cache: the file is read again next time
        write_safetensors(target, tensors, metadata)
    return tensors, metadata


def _read(path: Path) -> Content:
    from ..tensor_files.safetensors_io import read_header, read_safetensors

    header = read_header(path)
    return read_safetensors(path, header), header.metadata


def _read_pickle(weight: Weight, path: Path) -> Content:
    import torch

    from ..tensor_files.torch_files import find_state_dict, read_checkpoint

    content = read_checkpoint(path, sha256=weight.sha256)
    table: dict[str, Any] = find_state_dict(content, unwrap=WRAPPERS, where=str(path))
    tensors = {name: value for name, value in table.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadWeights("holds no tensors", where=str(path))
    dropped = [name for name in table if name not in tensors]
    metadata = {"format": "pt", "source": weight.id, "source_sha256": weight.sha256}
    return tensors, metadata | ({"dropped": ", ".join(dropped)} if dropped else {})
