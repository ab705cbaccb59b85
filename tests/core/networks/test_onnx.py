"""ONNX files through ONNX Runtime: loading, formats, refusals."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from underdrawing.core.errors import BadParameter, BadWeights, MissingExtra, UnsafeFile, WeightsMissing
from underdrawing.core.networks import cache, onnx
from underdrawing.core.networks.onnx import OnnxNetwork, load_onnx_network, unload
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = Placement()


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "never")
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(onnx, "get_store", lambda: store.Store(tmp_path / "cache"))
    unload()
    yield
    unload()


def doubling(kind: int = TensorProto.FLOAT, batch: int | str = "n") -> bytes:
    """File that doubles [n, 2] and also gives the larger number of each row."""
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("ReduceMax", ["x"], ["most"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "doubling",
        [helper.make_tensor_value_info("x", kind, [batch, 2])],
        [
            helper.make_tensor_value_info("twice", kind, [batch, 2]),
            helper.make_tensor_value_info("most", kind, [batch]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model.SerializeToString()


def saved(folder: Path, content: bytes, name: str = "net.onnx") -> Weight:
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Weight(repo="a/b", file=name, sha256=digest, size=len(content), licence="none", commercial=True)


def test_a_file_runs_and_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    weight = saved(tmp_path, doubling())
    network = load_onnx_network(weight, CPU)
    twice, most = network(np.array([[1, 2], [5, 3], [0, -1]], np.float64))
    assert twice.dtype == np.float32
    assert twice.tolist() == [[2, 4], [10, 6], [0, -2]]
    assert most.tolist() == [2, 5, 0]
    assert network.note == ""
    assert load_onnx_network(weight, CPU) is network
    cache.unload()
    assert load_onnx_network(weight, CPU) is not network


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_file_for_a_fixed_batch_takes_any_number(tmp_path: Path, count: int) -> None:
    rows = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    twice, most = load_onnx_network(saved(tmp_path, doubling(batch=2)), CPU)(rows)
    assert np.array_equal(twice, rows * 2)
    assert np.array_equal(most, rows[:, 1])


@pytest.mark.parametrize(("kind", "given"), [(TensorProto.FLOAT16, np.float32), (TensorProto.UINT8, np.uint8)])
def test_pictures_get_the_format_of_the_file(tmp_path: Path, kind: int, given: Any) -> None:
    if kind == TensorProto.UINT8:
        network = OnnxNetwork(Fake("tensor(uint8)"), "x")
        (told,) = network(np.array([[1.0, 200.0]]))
        assert told.dtype == np.uint8
        assert told.tolist() == [[1, 200]]
        return
    twice, _ = load_onnx_network(saved(tmp_path, doubling(kind)), CPU)(np.array([[0.5, 1000]], np.float32))
    assert twice.dtype == np.float32
    assert twice.tolist() == [[1, 2000]]


class Fake:
    """Session that gives back what it is given."""

    def __init__(self, kind: str, shape: tuple[Any, ...] = ("n", 2)) -> None:
        self.entry = type("Entry", (), {"name": "x", "type": kind, "shape": list(shape)})

    def get_inputs(self) -> list[Any]:
        return [self.entry]

    def run(self, outputs: Any, feed: dict[str, Any]) -> list[Any]:
        return [feed["x"]]


def test_an_input_that_is_no_picture_is_refused() -> None:
    with pytest.raises(BadWeights, match=r"tensor\(string\)"):
        OnnxNetwork(Fake("tensor(string)"), "x")


def test_without_the_package_the_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = saved(tmp_path, doubling())

    def nowhere(name: str) -> None:
        return None

    monkeypatch.setattr(onnx, "find_spec", nowhere)
    with pytest.raises(MissingExtra, match=r"a/b/net.onnx: needs the package onnxruntime\. Next: pip install"):
        load_onnx_network(weight, CPU)


@pytest.mark.parametrize("content", [b"not a network", b"\0" * 200])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadWeights, match=r"a/b/net\.onnx: ONNX Runtime cannot read it"):
        load_onnx_network(saved(tmp_path, content), CPU)


def test_a_missing_file_is_told_with_its_command(tmp_path: Path) -> None:
    weight = saved(tmp_path, doubling())
    (tmp_path / weight.file).unlink()
    with pytest.raises(WeightsMissing, match=r"underdrawing weights fetch a/b/net\.onnx"):
        load_onnx_network(weight, CPU)


@pytest.mark.parametrize("name", ["yolox_l.torchscript.pt", "net.torchscript"])
def test_torchscript_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeFile, match="is a program") as caught:
        load_onnx_network(saved(tmp_path, b"PK", name), CPU)
    assert "ONNX file of the same network" in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"'\.safetensors'"):
        load_onnx_network(saved(tmp_path, b"x", "a.safetensors"), CPU)


@pytest.mark.parametrize("placement", [Placement(dtype="bfloat16"), Placement(backend="openvino")])
def test_wishes_that_cannot_be_met_are_refused(tmp_path: Path, placement: Placement) -> None:
    with pytest.raises(BadParameter, match="ONNX"):
        load_onnx_network(saved(tmp_path, doubling()), placement)


@pytest.mark.parametrize(
    ("device", "available", "providers", "note"),
    [
        ("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"], ""),
        ("cuda", ["CPUExecutionProvider"], ["CPUExecutionProvider"], "onnxruntime-gpu"),
        ("mps", ["CPUExecutionProvider"], ["CPUExecutionProvider"], "on mps"),
        (
            "cuda:1",
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
            [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"],
            "",
        ),
    ],
)
def test_providers_follow_the_placement(device: str, available: list[str], providers: list[Any], note: str) -> None:
    found, told = onnx._choose_providers(Placement(device=device), available)
    assert found == providers
    assert note in told
    assert bool(note) == bool(told)


def test_where_there_is_no_cuda_the_processor_runs_it_and_a_note_says_so(tmp_path: Path) -> None:
    network = load_onnx_network(saved(tmp_path, doubling()), Placement(device="cuda"))
    assert "ran on the CPU" in network.note
    assert network(np.ones((1, 2), np.float32))[0].tolist() == [[2, 2]]
