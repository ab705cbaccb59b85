"""Both kinds of files give the same tensors, whole and in pieces; pickled ones are mapped, not copied."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.core.errors import BadWeights
from underdrawing.core.tensor_files.tensor_reader import open_reader

TENSORS = {
    "a.weight": torch.arange(24, dtype=torch.float32).reshape(4, 6),
    "b.bias": torch.arange(5, dtype=torch.float16),
    "c": torch.tensor(3),
    "none": torch.empty(0, 4),
}


@pytest.fixture(params=["a.safetensors", "a.ckpt"])
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / request.param
    if path.suffix == ".ckpt":
        torch.save({"state_dict": {**TENSORS, "a.turned": TENSORS["a.weight"].T}, "epoch": 3}, path)
    else:
        save_file({**TENSORS, "a.turned": TENSORS["a.weight"].T.contiguous()}, path)
    return path


def test_tensors_are_read_whole_and_in_pieces(file: Path) -> None:
    with open_reader(file) as reader:
        assert set(reader.entries) == {*TENSORS, "a.turned"}
        for name, tensor in {**TENSORS, "a.turned": TENSORS["a.weight"].T}.items():
            assert torch.equal(reader.tensor(name), tensor)
            assert reader.entries[name].shape == tuple(tensor.shape)
            stored = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            assert b"".join(bytes(piece) for piece in reader.raw(name)) == stored
            begin = min(3, len(stored))
            into = memoryview(bytearray(len(stored) - begin))
            reader.read(name, begin, into)
            assert into == stored[begin:]


def test_a_pickled_file_is_mapped_and_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"w": torch.zeros(8)}, path)
    before = path.read_bytes()
    with open_reader(path) as reader:
        reader.tensor("w").add_(1)
    assert path.read_bytes() == before


def test_a_changed_storage_does_not_match_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"w": torch.full((64,), 1.5)}, path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert any(info.filename.endswith("data/0") for info in archive.infolist())
    at = content.index(torch.full((64,), 1.5).numpy().tobytes())
    path.write_bytes(content[:at] + b"\x01" + content[at + 1 :])
    with pytest.raises(BadWeights, match="checksum"), open_reader(path):
        pass


def test_what_is_missing_or_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="cannot be read"), open_reader(tmp_path / "none.safetensors"):
        pass
    save_file({"w": torch.zeros(4096)}, tmp_path / "a.safetensors")
    with open_reader(tmp_path / "a.safetensors") as reader:
        with (tmp_path / "a.safetensors").open("r+b") as stream:
            stream.truncate(200)
        with pytest.raises(BadWeights, match="ended while it was read"):
            reader.tensor("w")
