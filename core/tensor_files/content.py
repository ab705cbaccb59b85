"""What a file that should hold tensors is instead, from its first bytes."""

from __future__ import annotations

LENGTH = 64
"""Bytes that are looked at."""
_TEXTS = (
    (b"<", "is a web page, not weights: its download went wrong"),
    (b"version https://git-lfs", "is a Git LFS pointer: the weights themselves were not fetched"),
    (b"{", "is a JSON file, not weights"),
)
_KINDS = (
    (b"\x89PNG", "is a PNG picture, not weights"),
    (b"\xff\xd8\xff", "is a JPEG picture, not weights"),
    (b"PK\x03\x04", "is a pickled checkpoint or an archive under another name"),
    (b"GGUF", "is a GGUF file, not safetensors"),
)


def describe_other_kind(head: bytes) -> str:
    """What the file plainly is; empty where that cannot be said."""
    if not head.strip(b"\0"):
        return "is empty, or its beginning was never written"
    kinds = _KINDS if b"\0" in head[:8] else (*_KINDS, *_TEXTS)  # numbers have zeros in them, as a header's length
    return next((kind for start, kind in kinds if head.lstrip().startswith(start)), "")
