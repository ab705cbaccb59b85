"""The restricted reader gives what torch.load(weights_only=True) gives, for everything torch.save writes."""

from __future__ import annotations

import collections
import io
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from underdrawing.core.errors import BadWeights, UnsafeFile
from underdrawing.core.tensor_files.torch_files import find_state_dict, read_checkpoint

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors"
SAMPLES = sorted(
    p for kind in ("embeddings/*.pt", "embeddings/*.bin", "cloneofsimo/*.pt", "peft/*.pt") for p in VECTORS.glob(kind)
)
DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16,
]  # fmt: skip


def bits(tensor: torch.Tensor) -> bytes:
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.copy_(tensor.detach().reshape(-1))
    return flat.view(torch.uint8).numpy().tobytes()


def same(a: Any, b: Any) -> bool:
    """Equality of containers; of tensors: dtype, shape and bits."""
    if isinstance(a, torch.Tensor):
        alike = isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.shape == b.shape
        return alike and (not a.numel() or bits(a) == bits(b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) and type(a) is type(b)


def save(value: Any, path: Path, *, new: bool, protocol: int = 2) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    return path


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Tensors of every dtype, of 0 to 3 dimensions, as views with strides, offsets, steps and repeats."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    whole = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))).to(dtype)
    match draw(st.sampled_from(["plain", "permuted", "cut", "step", "expanded", "conj"])):
        case "permuted":
            return whole.permute(tuple(reversed(range(whole.ndim))))
        case "cut" if whole.ndim and whole.shape[0] > 1:
            return whole[1:]
        case "step" if whole.ndim:
            return whole[..., ::2]
        case "expanded":
            return whole.unsqueeze(0).expand(3, *whole.shape)
        case "conj" if dtype == torch.complex64:
            return whole.conj()
        case _:
            return whole


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8), tensors()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=6), st.integers(-9, 9)), inner, max_size=4),
        st.dictionaries(st.text(max_size=6), inner, max_size=4).map(collections.OrderedDict),
        st.tuples(inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, new=st.booleans(), protocol=st.sampled_from([2, 3, 4, 5]))
def test_reads_what_torch_reads(tmp_path: Path, value: Any, new: bool, protocol: int) -> None:
    path = save(value, tmp_path / "x.pt", new=new, protocol=protocol)
    result = read_checkpoint(path)
    assert same(value, result)
    if protocol == 2 and (
        new or b"UntypedStorage" not in path.read_bytes()
    ):  # torch itself reads no more than this safely
        assert same(torch.load(path, weights_only=True), result)


@pytest.mark.parametrize("new", [True, False])
def test_shared_storages_stay_shared(tmp_path: Path, new: bool) -> None:
    base = torch.arange(12.0)
    value = {"a": base, "b": base[3:9].reshape(2, 3).t(), "c": torch.nn.Parameter(base)}
    result = read_checkpoint(save(value, tmp_path / "x.pt", new=new))
    result["a"][4] = 100.0
    assert result["b"][1, 0] == 100.0
    assert result["c"][4] == 100.0
    assert not isinstance(result["c"], torch.nn.Parameter)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_containers_and_values_of_real_files(tmp_path: Path, new: bool, protocol: int) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    value = {
        "net": net.state_dict(),
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cuda", 1),
        "set": {1, "a"},
        "frozen": frozenset({2}),
        "bytes": b"\x00\xff",
        "array": bytearray(b"ab"),
        "complex": 1 + 2j,
        "default": collections.defaultdict(list, {"k": [1]}),
        "parameters": torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(2))}),
        "list": torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.zeros(1))]),
    }
    result = read_checkpoint(save(value, tmp_path / "x.pt", new=new, protocol=protocol))
    assert same(dict(net.state_dict()), dict(result["net"]))
    assert result["size"] == (2, 3)
    assert type(result["size"]) is tuple
    assert result["dtype"] is torch.float16
    assert result["device"] == "cuda:1"
    assert [result[key] for key in ("set", "frozen", "bytes", "array", "complex")] == [
        {1, "a"}, frozenset({2}), b"\x00\xff", bytearray(b"ab"), 1 + 2j,
    ]  # fmt: skip
    assert result["default"] == {"k": [1]}
    assert type(result["default"]) is dict
    assert same({"*": torch.ones(2)}, result["parameters"])
    assert same([torch.ones(2), torch.zeros(1)], result["list"])


@pytest.mark.parametrize("dtype", ["b1", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_arrays_become_tensors(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(np.arange(6).reshape(2, 3) % 2, dtype=dtype, order=order)
    twice = read_checkpoint(save([array, array, array[0, 1]], tmp_path / "x.pt", new=True))
    assert same(torch.from_numpy(np.ascontiguousarray(array)), twice[0])
    assert same(twice[0], twice[1])
    assert twice[2] == array[0, 1].item()


def test_big_endian_and_object_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="big-endian"):
        read_checkpoint(save(np.arange(3, dtype=">f4"), tmp_path / "x.pt", new=True))
    with pytest.raises((BadWeights, UnsafeFile)):
        read_checkpoint(save(np.array([None, "a"], dtype=object), tmp_path / "x.pt", new=True))


class HistoryBuffer:
    """Pickles as mmengine's class of that name does: attributes, and its own methods by name."""

    def __init__(self) -> None:
        self.log = np.arange(3.0)
        self.statistics_methods = {"mean": HistoryBuffer.mean}

    def mean(self) -> float:
        return float(self.log.mean())


def test_training_logs_of_openmmlab_are_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("mmengine.logging.history_buffer")
    vars(module)["HistoryBuffer"] = HistoryBuffer
    monkeypatch.setattr(HistoryBuffer, "__module__", module.__name__)
    monkeypatch.setattr(HistoryBuffer.mean, "__module__", module.__name__)
    for name in ("mmengine", "mmengine.logging", module.__name__):
        monkeypatch.setitem(sys.modules, name, module if name == module.__name__ else types.ModuleType(name))
    path = save({"loss": HistoryBuffer(), "state_dict": {"a": torch.ones(1)}}, tmp_path / "x.pth", new=True)
    found = read_checkpoint(path)
    log: dict[str, Any] = {"log": torch.arange(3, dtype=torch.float64), "statistics_methods": {"mean": "mean"}}
    assert same({"loss": log, "state_dict": {"a": torch.ones(1)}}, found)


class Asks:
    """Pickles as a call of getattr."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return getattr, self.arguments


@pytest.mark.parametrize("arguments", [(torch.Size, "count"), (collections.OrderedDict, "pop"), ("text", "upper")])
def test_attributes_of_anything_else_are_refused(tmp_path: Path, arguments: Any) -> None:
    with pytest.raises(UnsafeFile, match="asks for an attribute"):
        read_checkpoint(save({"a": Asks(*arguments)}, tmp_path / "x.pt", new=True))


@pytest.mark.parametrize(
    "value", [torch.nn.Linear(1, 1), torch.eye(2).to_sparse(), torch.Generator, Path("x")], ids=repr
)
def test_what_is_not_plain_is_refused_by_name(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UnsafeFile, match=r"asks for '(torch\._utils\._rebuild_|torch\.|pathlib)"):
        read_checkpoint(save(value, tmp_path / "x.pt", new=True))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_programme_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), buffer)
    (tmp_path / "x.pt").write_bytes(buffer.getvalue())
    with pytest.raises(UnsafeFile, match="TorchScript"):
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (bytes(99), "is empty"),
        (b" <!doctype html>", "web page"),
        (b'\x10\0\0\0\0\0\0\0{"a":1}', "safetensors"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(BadWeights, match=words):
        read_checkpoint(tmp_path / "x.pt")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"none\.pt: cannot be read"):
        read_checkpoint(tmp_path / "none.pt")


def test_bytes_must_match_the_record(tmp_path: Path) -> None:
    path = save({"a": torch.ones(1)}, tmp_path / "x.pt", new=True)
    with pytest.raises(BadWeights, match="has the sha256"):
        read_checkpoint(path, sha256="0" * 64)


@pytest.mark.parametrize(
    "path", SAMPLES or [pytest.param(None, marks=pytest.mark.skip("no sample files here"))], ids=lambda p: p and p.name
)
def test_sample_files_of_other_tools(path: Path) -> None:
    if path.name == "a1111_paramdict.pt":  # torch refuses its ParameterDict; the vectors are those of a1111.pt
        expected, found = read_checkpoint(path.with_name("a1111.pt")), read_checkpoint(path)
        assert same(expected["string_to_param"]["*"], found["string_to_param"]["*"])
        return
    assert same(torch.load(path, weights_only=True), read_checkpoint(path))


def test_unwrapping_is_only_done_as_asked() -> None:
    inner = {"module.a": torch.ones(1), "b": torch.zeros(1)}
    wrapped = {"epoch": 3, "state_dict": {"model": inner}}
    assert find_state_dict(wrapped) == wrapped
    assert list(find_state_dict(wrapped, unwrap=("state_dict", "model"))) == ["module.a", "b"]
    assert list(find_state_dict(wrapped, unwrap=("state_dict", "model"), strip="module.")) == ["a", "b"]
    assert list(find_state_dict({"model": torch.ones(1)}, unwrap=("model",))) == ["model"]
    for odd in ([1], {1: 2}, torch.ones(1)):
        with pytest.raises(BadWeights, match="table of named tensors"):
            find_state_dict(odd, where="x.pt")


def test_stripping_never_merges_keys() -> None:
    with pytest.raises(BadWeights, match="module"):
        find_state_dict({"module.a": 1, "a": 2}, strip="module.")
