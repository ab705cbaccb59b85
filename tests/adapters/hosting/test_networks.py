from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.contract.test_deltas import KINDS
from tests.support.fake_networks import LAYERS, Network, NetworkModule, draw_factors, spell
from tests.support.transformer_models import make_weights, shrink, write_attention

from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.hosting.form import DELTA
from underdrawing.adapters.hosting.model import A1111_MODELS, HostModel
from underdrawing.adapters.hosting.networks import choose_network, is_native, make_module_kind
from underdrawing.core.errors import BadWeights

SD1 = HostModel("sd15")
NAMES = ("qkv", "proj")
KIND = make_module_kind(SimpleNamespace(NetworkModule=NetworkModule, ModuleType=object))
PLAIN = {"lora", "lora_tucker", "loha", "loha_core", "lokr", "lokr_full", "lokr_core", "full"}
NATIVE = PLAIN | {"oft", "oft_diag", "boft"}


def make_net(count: int) -> Any:
    modules = {str(n): SimpleNamespace(network_key=f"{LAYERS[0]}.alpha", multiplier=lambda: 1.0) for n in range(count)}
    return SimpleNamespace(modules=modules)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_the_host_computes_otherwise_are_not_native(kind: str) -> None:
    assert is_native(KINDS[kind](16, 8, 3)) == (kind in NATIVE)


@pytest.mark.parametrize("kind", ["lora_tucker", "loha_core", "lokr_core"])
def test_cores_of_linear_layers_are_not_native(kind: str) -> None:
    assert not is_native(KINDS[kind](16, 8, 1))


def test_dora_along_the_inputs_is_native_on_linear_layers() -> None:
    inner = KINDS["lora"](16, 8, 1)
    assert isinstance(inner, LowRank)
    flat = LowRank(up=inner.up.flatten(1), down=inner.down.flatten(1))
    assert is_native(Dora(inner=flat, magnitude=torch.ones(1, 8), axis="in"))
    assert not is_native(Dora(inner=flat, magnitude=torch.ones(16, 1), axis="out"))


@pytest.mark.parametrize(("own", "ours", "converted"), [(5, 5, False), (3, 5, True), (None, 5, True), (3, 3, False)])
def test_the_reading_with_more_modules_is_taken(tmp_path: Path, own: int | None, ours: int, converted: bool) -> None:
    save_file(spell(draw_factors(), "kohya"), tmp_path / "x.safetensors")

    def read() -> Any:
        if own is None:
            raise AssertionError("no kind accepts it")
        return make_net(own)

    net, receipt = choose_network(tmp_path / "x.safetensors", None, SD1, read, lambda _: make_net(ours))
    assert len(net.modules) == receipt.modules == max(own or 0, ours)
    assert (receipt.converted, receipt.total) == (converted, 5)


def test_files_of_models_that_only_the_host_knows_are_left_to_it(tmp_path: Path) -> None:
    save_file({"lora_unet_double_blocks_0_img_attn_proj.lora_up.weight": torch.ones(2, 2)}, tmp_path / "x.safetensors")
    for count, problem in ((3, False), (0, True)):
        net, receipt = choose_network(
            tmp_path / "x.safetensors", None, SD1, lambda held=count: make_net(held), lambda _: make_net(0)
        )
        assert len(net.modules) == count
        assert bool(receipt.problem) == problem


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NATIVE])
def test_modules_are_computed_of_the_weight_they_meet(kind: str) -> None:
    delta, weight = KINDS[kind](16, 8, 3), torch.randn(16, 8, 3, 3)
    weights = SimpleNamespace(
        w={DELTA: delta}, network_key="x", sd_key="x", sd_module=SimpleNamespace(bias=torch.ones(16))
    )
    net = Network("x", unet_multiplier=0.5)
    module = KIND.create_module(net, weights)
    change, bias = module.calc_updown(weight)
    assert torch.equal(change, delta.change(weight) * 0.5)
    assert (bias is None) == (delta.bias_change(torch.ones(16)) is None)
    assert KIND.create_module(net, SimpleNamespace(w={"alpha": 1})) is None


def test_a_misfit_is_an_error_that_the_host_counts() -> None:
    delta = KINDS["ia3"](16, 8, 3)
    weights = SimpleNamespace(w={DELTA: delta}, network_key="x", sd_key="x", sd_module=None)
    with pytest.raises(RuntimeError, match="16 values") as caught:
        KIND.create_module(Network("x"), weights).calc_updown(torch.zeros(4, 8, 3, 3))
    assert isinstance(caught.value.__cause__, BadWeights)


def test_only_the_latent_of_an_inpainting_model_is_changed() -> None:
    delta = KINDS["set_weight"](16, 4, 3)
    weights = SimpleNamespace(w={DELTA: delta}, network_key="x", sd_key="x", sd_module=None)
    assert KIND.create_module(Network("x"), weights).calc_updown(torch.zeros(16, 9, 3, 3))[0].shape[1] == 4


def test_a_file_for_another_base_model_is_not_read_by_the_host_either(tmp_path: Path) -> None:
    path = write_attention(tmp_path, "flux1")
    net, receipt = choose_network(path, None, SD1, lambda: make_net(3), lambda held: make_net(len(held)))
    assert not net.modules
    assert (receipt.modules, receipt.total, receipt.converted, receipt.acted) == (0, 4, False, False)
    told = "flux1: was made for Flux.1, and this model is SD 1.x. Next: use an adapter for this base model"
    assert receipt.gap() == told


def test_a_file_that_fits_several_models_is_named_for_the_one_loaded(tmp_path: Path) -> None:
    model = HostModel.of(make_weights(shrink("chroma")), (), A1111_MODELS)
    given: list[dict[str, Any]] = []

    def read(tensors: dict[str, Any]) -> Any:
        given.append(tensors)
        return make_net(2)

    _, receipt = choose_network(write_attention(tmp_path, "chroma"), None, model, lambda: make_net(0), read)
    assert {key.partition(".")[0] for key in given[0]} == {f"lora_unet_double_blocks_0_img_attn_{n}" for n in NAMES}
    assert receipt.base_model == "chroma"
    assert "read as a file for Chroma" in receipt.remark
