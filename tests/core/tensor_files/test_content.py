from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.core.errors import BadWeights
from underdrawing.core.tensor_files.content import describe_other_kind
from underdrawing.core.tensor_files.safetensors_io import read_header

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n  <html>" + b" " * 50, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b'{"error": "Repository not found"}', "JSON"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG picture"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "JPEG picture"),
        (b"PK\x03\x04" + bytes(40), "pickled checkpoint"),
        (b"GGUF" + bytes(20), "GGUF"),
        (b"{\x00\x00\x00\x00\x00\x00\x00" + b"{", "only 1 follow"),  # a header of 123 bytes, cut off
    ],
)
def test_what_is_no_safetensors_file_is_named(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(BadWeights, match=kind):
        read_header(tmp_path / "x.safetensors")


def test_what_cannot_be_said_is_not_said() -> None:
    assert describe_other_kind(b"\x80\x02}q\x00.") == ""
