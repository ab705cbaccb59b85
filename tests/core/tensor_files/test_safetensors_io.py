"""Our own check of safetensors files, against crafted ones and against the library."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from underdrawing.core.errors import BadWeights
from underdrawing.core.files import hash_file
from underdrawing.core.tensor_files import safetensors_io
from underdrawing.core.tensor_files.safetensors_io import Entry, read_header, read_safetensors, write_safetensors

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT.parent / "shared" / "vectors"


def crafted(header: bytes | dict[str, Any], data: bytes = b"", *, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensor(begin: int = 0, end: int = 4, shape: Any = (1,), dtype: Any = "F32", **more: Any) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": list(shape) if isinstance(shape, tuple) else shape,
        "data_offsets": [begin, end],
        **more,
    }


FOUR = bytes(4)
TWICE = b'{"a":%s,"a":%s}' % ((json.dumps(tensor()).encode(),) * 2)
FIELD_TWICE = b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
NOTHING = json.dumps(tensor(0, 0, (0,)))
NOTHING_OFTEN = ("{" + ",".join(f'"{number}":{NOTHING}' for number in range(100_001)) + "}").encode()
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "too short"),
    "seven bytes": (bytes(7), "too short"),
    "length beyond file": (crafted({}, length=500), "cut off"),
    "length enormous": (crafted({}, length=2**64 - 1), "more than 16777216"),
    "header too large": (crafted(b"{" + b" " * 2**24 + b"}"), "more than 16777216"),
    "zero header": (crafted(b""), "not a JSON object"),
    "leading space": (crafted(b" {}"), "not a JSON object"),
    "a list": (crafted(b"[]"), "not a JSON object"),
    "broken json": (crafted(b'{"a":'), "not valid JSON"),
    "broken utf-8": (crafted(b'{"\xff":1}'), "not valid JSON"),
    "nested json": (crafted(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not valid JSON|needs exactly"),
    "trailing json": (crafted(b"{}{}"), "not valid JSON"),
    "duplicate key": (crafted(TWICE, FOUR), "'a': is there twice"),
    "duplicate field": (crafted(FIELD_TWICE, FOUR), "'dtype': is there twice"),
    "name too long": (crafted({"n" * 513: tensor()}, FOUR), "at most 512 bytes"),
    "name in surrogates": (crafted(b'{"\\ud800":%s}' % json.dumps(tensor()).encode(), FOUR), "at most 512 bytes"),
    "metadata list": (crafted({"__metadata__": [1]}), "__metadata__"),
    "metadata number": (crafted({"__metadata__": {"a": 1}}), "__metadata__"),
    "entry a number": (crafted({"a": 3}), "'a': needs exactly"),
    "field missing": (crafted({"a": {"dtype": "F32", "shape": [1]}}, FOUR), "needs exactly"),
    "field more": (crafted({"a": tensor(extra=1)}, FOUR), "needs exactly"),
    "dtype unknown": (crafted({"a": tensor(dtype="F128")}, FOUR), "unknown dtype 'F128'"),
    "dtype a list": (crafted({"a": tensor(dtype=["F32"])}, FOUR), "unknown dtype"),
    "shape negative": (crafted({"a": tensor(shape=(-1, -1))}, FOUR), "list of at most 64 counts"),
    "shape float": (crafted({"a": tensor(shape=(1.0,))}, FOUR), "list of at most 64 counts"),
    "shape bool": (crafted({"a": tensor(shape=(True,))}, FOUR), "list of at most 64 counts"),
    "shape text": (crafted({"a": tensor(shape="1")}, FOUR), "list of at most 64 counts"),
    "shape long": (crafted({"a": tensor(shape=(1,) * 65)}, FOUR), "list of at most 64 counts"),
    "shape overflow": (crafted({"a": tensor(shape=(2**62, 4))}, FOUR), "but spans 4"),
    "shape beyond 64 bits": (crafted({"a": tensor(shape=(2**64,))}, FOUR), "list of at most 64 counts"),
    "shape wraps to fit": (crafted({"a": tensor(shape=(2**32 + 1, 2**32))}, FOUR), "but spans 4"),
    "offsets three": (crafted({"a": tensor() | {"data_offsets": [0, 4, 4]}}, FOUR), "two rising counts"),
    "offsets falling": (crafted({"a": tensor(4, 0)}, FOUR), "two rising counts"),
    "offsets negative": (crafted({"a": tensor(-4, 0)}, FOUR), "two rising counts"),
    "size differs": (crafted({"a": tensor(shape=(2,))}, FOUR), "which is 8 bytes, but spans 4"),
    "half bytes": (crafted({"a": tensor(0, 2, (3,), "F4")}, bytes(2)), "which is 1.5 bytes"),
    "cut off": (crafted({"a": tensor()}, bytes(3)), "ends at byte 4 but the file holds 3"),
    "overlap": (crafted({"a": tensor(), "b": tensor(2, 6)}, bytes(6)), "'b': overlaps"),
    "same span": (crafted({"a": tensor(), "b": tensor()}, FOUR), "overlaps"),
    "hole": (crafted({"a": tensor(), "b": tensor(8, 12)}, bytes(12)), "'b': leaves a hole of 4 bytes"),
    "hole first": (crafted({"a": tensor(4, 8)}, bytes(8)), "leaves a hole"),
    "bytes behind": (crafted({"a": tensor()}, bytes(5)), "1 bytes that belong to no tensor"),
    "data without tensors": (crafted({}, FOUR), "belong to no tensor"),
    "empty in a tensor": (crafted({"a": tensor(), "b": tensor(2, 2, (0,))}, FOUR), "overlaps"),
    "too many": (crafted(NOTHING_OFTEN), "more than 100000"),
    "many brackets": (crafted(b'{"a":[' + b"[]," * 500_000 + b"[]]}"), "more than 100000"),
}  # fmt: skip


@pytest.mark.parametrize("word", BAD)
def test_bad_files_are_refused_with_key_and_fault(tmp_path: Path, word: str) -> None:
    data, fault = BAD[word]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadWeights, match=fault) as caught:
        read_header(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    with pytest.raises(BadWeights):
        read_safetensors(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_million_empty_tensors_are_refused_before_they_are_read(tmp_path: Path) -> None:
    entry = ':{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    path = tmp_path / "x.safetensors"
    path.write_bytes(crafted(("{" + ",".join(f'"t{i:09d}"{entry}' for i in range(1_000_000)) + "}").encode()))
    assert path.stat().st_size > 60_000_000
    script = """
        import sys
        from pathlib import Path
        from underdrawing.core.errors import BadWeights
        from underdrawing.core.tensor_files.safetensors_io import read_header
        def peak():  # not ru_maxrss: a child starts with its parent's peak
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        before = peak()
        try:
            read_header(sys.argv[1])
        except BadWeights as error:
            print(peak() - before, str(error)[-120:])
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT / ".dev")}, capture_output=True, text=True, check=True)
    grown, _, says = done.stdout.partition(" ")
    assert "more than 16777216" in says
    assert int(grown) < 1000  # KiB: the header was never read


def test_good_files_are_described(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {
        "b": torch.arange(6.0).reshape(2, 3),
        "a": torch.ones(3, dtype=torch.float16),
        "e": torch.empty(0, 7),
        "s": torch.tensor(1),
    }
    save_file(tensors, path, metadata={"k": "v"})
    header = read_header(path)
    assert header.metadata == {"k": "v"}
    assert {name: (entry.dtype, entry.shape) for name, entry in header.tensors.items()} == {
        "b": ("F32", (2, 3)), "a": ("F16", (3,)), "e": ("F32", (0, 7)), "s": ("I64", ()),
    }  # fmt: skip
    raw = path.read_bytes()[header.data :]
    entry = header.tensors["b"]
    assert raw[entry.begin : entry.end] == tensors["b"].numpy().tobytes()
    assert all(torch.equal(tensors[name], value) for name, value in read_safetensors(path).items())


@pytest.mark.skipif(not VECTORS.is_dir(), reason="no sample files here")
def test_sample_files_pass() -> None:
    paths = list(VECTORS.rglob("*.safetensors"))
    assert paths
    for path in paths:
        assert set(read_header(path).tensors) == set(load_file(path))


def test_written_files_are_the_librarys_and_the_same_twice(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    dtypes = [d for d in safetensors_io.dtype_names() if d != torch.complex64 and "e8m0" not in str(d)]
    tensors = {f"{dtype}": torch.ones(3, 5).to(dtype) for dtype in dtypes}
    tensors |= {
        "view": base.t()[1:],
        "shared": base,
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(2.5),
        "odd": torch.ones(3, dtype=torch.uint8),
    }
    one, two = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    write_safetensors(one, tensors, {"b": "ü", "a": "1"})
    write_safetensors(two, dict(reversed(tensors.items())), {"a": "1", "b": "ü"})
    assert hash_file(one) == hash_file(two)
    assert read_header(one).metadata == {"a": "1", "b": "ü"}
    assert read_header(one).data % 8 == 0
    loaded = load_file(one)
    assert set(loaded) == set(tensors)
    for name, value in tensors.items():
        assert loaded[name].dtype == value.dtype
        assert loaded[name].shape == value.shape
        assert torch.equal(loaded[name].float(), value.float())


def test_a_dtype_without_a_spelling_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"'c'.*complex128"):
        write_safetensors(tmp_path / "x.safetensors", {"c": torch.ones(1, dtype=torch.complex128)})
    assert not list(tmp_path.iterdir())


def test_a_file_may_be_written_over_its_own_tensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": torch.arange(1000.0)})
    loaded = read_safetensors(path)
    write_safetensors(path, {"a": loaded["a"] * 2, "b": loaded["a"]})
    assert torch.equal(read_safetensors(path)["b"], torch.arange(1000.0))
    assert isinstance(read_header(path).tensors["a"], Entry)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="cannot be read"):
        read_header(tmp_path / "none.safetensors")
