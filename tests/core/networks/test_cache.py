"""Networks: strict loading, one copy per place and format, memory given back."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.toy_hub import record
from torch import nn

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache
from underdrawing.core.networks.cache import load_network, unload
from underdrawing.core.networks.placement import Placement
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.core.weights.record import Weight
from underdrawing.core.weights.store import Store

CPU = Placement()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.grid: torch.Tensor
        self.register_buffer("grid", torch.arange(4.0).reshape(1, 4, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)) + self.grid


def build(metadata: Mapping[str, str]) -> Net:
    return Net()


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    unload()
    yield
    unload()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(tmp_path / "cache")
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path / "given"))
    monkeypatch.setattr(cache, "get_store", lambda: store)
    return store


def keep(tmp_path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> Weight:
    path = write_safetensors(tmp_path / "given" / "net.safetensors", tensors, metadata)
    return record(path.read_bytes())


def reference() -> Net:
    torch.manual_seed(0)
    net = Net().eval()
    net.norm.running_mean.copy_(torch.arange(4.0))  # type: ignore[union-attr]
    return net


def test_the_network_computes_what_the_module_computes(store: Store, tmp_path: Path) -> None:
    net, x = reference(), torch.rand(2, 3, 8, 8)
    run = load_network(keep(tmp_path, net.state_dict()), build, CPU)
    result = run(x)
    assert torch.allclose(result, net(x), atol=1e-5)
    assert result.is_inference()
    module: Any = run.module  # type: ignore[attr-defined]
    assert not module.training
    assert not any(p.requires_grad for p in module.parameters())
    assert module.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert not any(p.is_meta for p in [*module.parameters(), *module.buffers()])


def test_half_precision_files_are_cast_to_the_placement(store: Store, tmp_path: Path) -> None:
    net = reference()
    weight = keep(tmp_path, {name: t.half() if t.is_floating_point() else t for name, t in net.state_dict().items()})
    module: Any = load_network(weight, build, CPU).module  # type: ignore[attr-defined]
    assert module.conv.weight.dtype == torch.float32
    assert torch.equal(module.conv.weight, net.conv.weight.half().float())
    assert module.norm.num_batches_tracked.dtype == torch.int64
    other = load_network(weight, build, Placement(dtype="bfloat16"))
    assert other(torch.rand(1, 3, 8, 8)).dtype == torch.bfloat16


def test_each_network_is_built_once_per_place_format_and_builder(store: Store, tmp_path: Path) -> None:
    weight, built = keep(tmp_path, reference().state_dict()), list[Mapping[str, str]]()

    def counted(metadata: Mapping[str, str]) -> Net:
        built.append(metadata)
        return Net()

    first = load_network(weight, counted, CPU)
    calls = len(built)
    assert load_network(weight, counted, CPU) is first
    assert load_network(weight, counted, Placement(why="other words")) is first
    assert len(built) == calls
    assert load_network(weight, counted, Placement(dtype="bfloat16")) is not first
    assert load_network(weight, build, CPU) is not first


def test_the_builder_is_told_the_metadata(store: Store, tmp_path: Path) -> None:
    weight = keep(tmp_path, nn.Linear(5, 2).state_dict(), {"width": "5"})
    run = load_network(weight, lambda metadata: nn.Linear(int(metadata["width"]), 2), CPU)
    assert run(torch.ones(1, 5)).shape == (1, 2)


def test_files_that_do_not_fit_are_told_key_by_key(store: Store, tmp_path: Path) -> None:
    tensors = reference().state_dict()
    tensors["conv.weight"] = torch.zeros(4, 3, 5, 5)
    del tensors["conv.bias"]
    tensors |= {f"extra.{n}": torch.zeros(1) for n in range(5)}
    with pytest.raises(BadWeights) as caught:
        load_network(keep(tmp_path, tensors), build, CPU)
    says = str(caught.value)
    assert "1 missing: conv.bias" in says
    assert "5 unexpected: extra.0, extra.1, extra.2 and 2 more" in says
    assert "1 mis-shaped: conv.weight [4, 3, 5, 5] instead of [4, 3, 3, 3]" in says


def test_old_files_without_counters_load(store: Store, tmp_path: Path) -> None:
    tensors = {name: t for name, t in reference().state_dict().items() if "num_batches" not in name}
    assert load_network(keep(tmp_path, tensors), build, CPU)(torch.rand(1, 3, 8, 8)).shape == (1, 4, 6, 6)


def test_the_network_does_not_depend_on_the_file_any_more(store: Store, tmp_path: Path) -> None:
    net = reference()
    weight = keep(tmp_path, net.state_dict())
    run = load_network(weight, build, CPU)
    path = tmp_path / "given" / "net.safetensors"
    with path.open("r+b") as stream:
        stream.write(bytes(path.stat().st_size))
    module: Any = run.module  # type: ignore[attr-defined]
    for name, value in net.state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name


def test_unload_frees_the_network(store: Store, tmp_path: Path) -> None:
    run: Any = load_network(keep(tmp_path, reference().state_dict()), build, CPU)
    module = weakref.ref(run.module)
    del run
    gc.collect()
    assert module() is not None
    unload()
    assert module() is None


class ChannelsFirst(nn.Module):
    channels_first = True

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.is_contiguous()
        return self.conv(x)


def test_a_module_may_keep_its_channels_first(tmp_path: Path, store: Store) -> None:
    weight = keep(tmp_path, {name: tensor.clone() for name, tensor in ChannelsFirst().state_dict().items()})
    net = load_network(weight, lambda metadata: ChannelsFirst(), CPU)
    assert net.module.conv.weight.is_contiguous()  # type: ignore[union-attr]
    net(torch.zeros(1, 3, 8, 8).to(memory_format=torch.channels_last))
