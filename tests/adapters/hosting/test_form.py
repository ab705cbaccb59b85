from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.contract.test_deltas import KINDS
from tests.support.transformer_models import PREFIX, join_lora, make_adapter, make_lora, shrink

from underdrawing.adapters.adapter import Adapter
from underdrawing.adapters.deltas.base import Delta
from underdrawing.adapters.deltas.build import build
from underdrawing.adapters.deltas.dense import Norm
from underdrawing.adapters.hosting.form import DELTA, bake_host_form, is_plain, make_host_form, name_for_hosts

MODULE = "unet.down_blocks.0.resnets.0.conv1"
NAME = "lora_unet_down_blocks_0_resnets_0_conv1"
WEIGHT = torch.randn(16, 8, 3, 3)


def adapter_of(delta: Delta, module: str = MODULE) -> Adapter:
    return Adapter(Path("x.safetensors"), {module: delta}, {}, "test", {}, {}, {})


def compute(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """The change that a host makes of plain tensors."""
    found = build({key.removeprefix(f"{NAME}."): value for key, value in tensors.items()}).delta
    assert found is not None
    return found.change(WEIGHT) if found.changes_weight else torch.zeros_like(WEIGHT)


def halve(_module: str, _base_model: str) -> float:
    return 0.5


def keep(_module: str, _base_model: str) -> float:
    return 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_tensors_or_a_whole_delta(kind: str) -> None:
    delta = KINDS[kind](16, 8, 3)
    form = make_host_form(adapter_of(delta), "sd15")
    assert form.modules == {NAME: MODULE}
    assert (form.tensors.get(f"{NAME}.{DELTA}") is delta) == (not is_plain(delta))
    assert form.own == ({} if is_plain(delta) else {delta.algorithm: 1})


@pytest.mark.parametrize("kind", KINDS)
def test_baked_tensors_change_the_weight_they_were_made_of_alike(kind: str) -> None:
    delta = KINDS[kind](16, 8, 3)
    form = bake_host_form(adapter_of(delta), "sd15", lambda _: (WEIGHT, torch.ones(16)), halve)
    expected = delta.change(WEIGHT) if delta.changes_weight else torch.zeros_like(WEIGHT)
    torch.testing.assert_close(compute(form.tensors), expected * 0.5, rtol=1e-4, atol=1e-5)
    bias = delta.bias_change(torch.ones(16))
    if bias is not None:
        torch.testing.assert_close(form.tensors[f"{NAME}.diff_b"], bias * 0.5)


def test_misfits_absent_modules_and_quantised_weights_are_left_out_with_reasons() -> None:
    full, ia3 = KINDS["full"](16, 8, 3), KINDS["ia3"](16, 8, 3)
    for delta, weight, reason in (
        (full, torch.zeros(4, 4, 3, 3), "does not fit"),
        (full, None, "no such module"),
        (ia3, torch.zeros(9, dtype=torch.uint8), "quantised"),
    ):
        form = bake_host_form(adapter_of(delta), "sd15", lambda _, held=weight: (held, None), keep)
        assert not form.tensors
        assert reason in form.refused[MODULE]


def test_a_norm_has_its_bias_by_the_name_that_hosts_know() -> None:
    module = "unet.down_blocks.0.resnets.0.norm1"
    form = make_host_form(adapter_of(Norm(diff=torch.ones(4), bias=torch.ones(4)), module), "sd15")
    assert {key.rpartition(".")[2] for key in form.tensors} == {"w_norm", "b_norm"}


def test_learned_tokens_go_along() -> None:
    rows = torch.ones(1, 768)
    one = Adapter(Path("x"), {}, {"tok": {"text_encoder": rows}}, "test", {}, {}, {})
    both = Adapter(Path("x"), {}, {"tok": {"text_encoder": rows, "text_encoder_2": rows}}, "test", {}, {}, {})
    assert set(make_host_form(one, "sd15").tensors) == {"bundle_emb.tok.string_to_param.*"}
    assert set(make_host_form(both, "sdxl").tensors) == {"bundle_emb.tok.clip_l", "bundle_emb.tok.clip_g"}


def test_a_transformer_is_named_as_hosts_have_it() -> None:
    modules = shrink("flux1")
    lora = make_lora(modules)
    adapter = name_for_hosts(make_adapter("flux1", lora))
    form = make_host_form(adapter, "flux1")
    assert len(form.modules) == len(join_lora("flux1", lora, modules))
    assert "lora_unet_double_blocks_0_img_attn_qkv" in form.modules
    assert "lora_unet_final_layer_adaLN_modulation_1" in form.modules
    swapped, own = (lora[f"{PREFIX}norm_out.linear"], adapter.modules[f"{PREFIX}final_layer.adaLN_modulation.1"])
    zeros = torch.zeros(modules["norm_out.linear"].shape)
    assert torch.equal(own.change(zeros), swapped.change(zeros).roll(len(zeros) // 2, 0))
