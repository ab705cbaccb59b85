"""Bytes at an offset of a stream: all of them or an error, whatever the system offers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from underdrawing.core.errors import BadWeights
from underdrawing.core.tensor_files.streams import read_at

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("way", ["whole", "short", "none"])
def test_bytes_at_an_offset_are_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "none":
        monkeypatch.delattr(os, "preadv", raising=False)
    elif not hasattr(os, "preadv"):
        pytest.skip("this system has no such call")
    elif way == "short":
        real = os.preadv
        monkeypatch.setattr(os, "preadv", lambda number, views, at: real(number, [views[0][:7]], at))  # type: ignore[reportUnknownLambdaType]
    content = os.urandom(300)
    (tmp_path / "file").write_bytes(content)
    found = bytearray(90)
    with (tmp_path / "file").open("rb") as stream:
        read_at(stream, 200, memoryview(found), "file")
        assert found == content[200:290]
        with pytest.raises(BadWeights, match="cut off"):
            read_at(stream, 230, memoryview(found), "file")
