"""Application and, above all, removal."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.adapter_models import BIGG, CLIP, SD15, SDXL, encoder, lora, unet
from tests.support.adapter_models import model as tiny_model

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.prompts.block_weights import parse_blocks
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.modules.layers import Module, UNet


PART = {
    name: module
    for name, module in SD15.modules().items()
    if name.startswith(("conv_in", "time_embedding", "down_blocks.0", "mid_block", "conv_out"))
}
"""Modules of every kind that a UNet has."""


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    return made(tmp_path_factory.mktemp("whole"), SD15.modules())


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    return made(tmp_path_factory.mktemp("part"), PART)


def made(folder: Path, modules: dict[str, Module]) -> list[Adapter]:
    adapters: list[Adapter] = []
    for seed in range(3):
        tensors = lora(modules, "lora_unet_", seed=seed)
        tensors |= lora(CLIP.modules(), "lora_te_text_model_", seed=seed)
        save_file(tensors, folder / f"{seed}.safetensors")
        adapters.append(load_adapter(folder / f"{seed}.safetensors"))
    return adapters


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_sum_of_deltas_from_the_base(adapters: list[Adapter]) -> None:
    model, text = unet(), encoder()
    before = state(model)
    receipt = Patcher(unet=model, text_encoder=text).set([(adapters[0], 0.5, 1.0), (adapters[1], -1.0, 0.0)])
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    base = before[f"{name}.weight"]
    first, second = (a.modules[f"unet.{name}"].apply(base) - base for a in adapters[:2])
    expected = base + 0.5 * first - second
    assert torch.allclose(model.state_dict()[f"{name}.weight"], expected, atol=1e-6)
    assert receipt.skipped == 0
    assert receipt.applied == sum(len(a.used) for a in adapters[:2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_many_random_cycles_leave_nothing(partial: list[Adapter], dtype: torch.dtype) -> None:
    model = tiny_model(PART, dtype=dtype)
    before, parameters = state(model), dict(model.named_parameters())
    patcher, dice = Patcher(unet=model), random.Random(1)
    for _ in range(60):
        chosen = dice.sample(partial, dice.randint(0, 3))
        patcher.set([(a, dice.uniform(-2, 2), 1.0) for a in chosen])
        if dice.random() < 0.3:
            patcher.clear()
    patcher.clear()
    assert same(state(model), before)
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())


def test_an_exception_in_the_middle_restores(adapters: list[Adapter], monkeypatch: pytest.MonkeyPatch) -> None:
    model = unet()
    before = state(model)
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    victim = type(next(iter(adapters[1].modules.values())))
    calls = iter(range(10**6))
    healthy = victim._change

    def failing(self: object, base: Tensor) -> Tensor:
        if next(calls) == 20:
            raise MemoryError
        return healthy(self, base)  # type: ignore[arg-type]

    monkeypatch.setattr(victim, "_change", failing)
    with pytest.raises(MemoryError):
        patcher.set([(adapters[1], 1.0, 1.0)])
    assert same(state(model), before)


def test_a_checkpoint_loaded_over_a_patched_model_stays(adapters: list[Adapter]) -> None:
    model, other = unet(), unet(seed=9)
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    model.load_state_dict(other.state_dict())
    patcher.set([(adapters[1], 1.0, 1.0)])
    patcher.clear()
    assert same(state(model), state(other))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_patched_model_that_is_cast_still_clears(adapters: list[Adapter], dtype: torch.dtype) -> None:
    """model.to(...) and offloading replace the memory of every parameter; that is no new checkpoint."""
    model, plain = unet(), unet().to(dtype)
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    model.to(dtype)
    patcher.clear()
    assert same(state(model), state(plain))
    patcher.set([(adapters[0], 1.0, 1.0)])
    model.to(torch.float64)
    patcher.set([(adapters[1], 1.0, 1.0)])
    patcher.clear()
    assert same(state(model), state(plain.to(torch.float64)))


def test_parameters_that_were_moved_and_back_are_the_same_objects(adapters: list[Adapter]) -> None:
    model = unet()
    before, parameters = state(model), dict(model.named_parameters())
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    patcher.clear()
    assert same(state(model), before)
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())


def test_a_checkpoint_assigned_to_a_patched_model_stays(adapters: list[Adapter]) -> None:
    model, other = unet(), unet(seed=9)
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    model.load_state_dict({name: tensor.clone() for name, tensor in other.state_dict().items()}, assign=True)
    patcher.clear()
    assert same(state(model), state(other))


def test_changing_the_strength_does_not_recompute(adapters: list[Adapter], monkeypatch: pytest.MonkeyPatch) -> None:
    model = unet()
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    delta = type(next(iter(adapters[0].modules.values())))

    def never(*_: object) -> Tensor:
        raise AssertionError("the change was computed again")

    monkeypatch.setattr(delta, "_change", never)
    patcher.set([(adapters[0], 0.3, 1.0)])
    name = "unet.conv_in"
    monkeypatch.undo()
    assert torch.allclose(model.conv_in.weight, adapters[0].modules[name].apply(unet().conv_in.weight, 0.3), atol=1e-6)  # type: ignore[arg-type, union-attr]


def test_as_a_context_manager(adapters: list[Adapter]) -> None:
    model = unet()
    before = state(model)
    with Patcher(unet=model) as patcher:
        patcher.set([(adapters[0], 1.0, 1.0)])
        assert not same(state(model), before)
    assert same(state(model), before)


def test_plain_state_dicts_and_fused_rows(tmp_path: Path) -> None:
    tensors = lora(BIGG.modules(), "lora_te2_text_model_")
    width = BIGG.width
    keep = {k: v for k, v in tensors.items() if "layers_0_self_attn_q" in k or "layers_0_self_attn_v" in k}
    save_file(keep, tmp_path / "qv.safetensors")
    adapter = load_adapter(tmp_path / "qv.safetensors")
    key = "transformer.resblocks.0.attn.in_proj_weight"
    original = torch.randn(3 * width, width)
    held = {key: original}
    patcher = Patcher(text_encoder_2=held)
    assert patcher.set([(adapter, 1.0, 1.0)]).skipped == 0
    q, k, v = held[key].chunk(3)
    layer = "text_encoder_2.encoder.layers.0.self_attn"
    assert torch.allclose(q, adapter.modules[f"{layer}.q_proj"].apply(original[:width]), atol=1e-6)
    assert torch.equal(k, original[width : 2 * width])
    assert torch.allclose(v, adapter.modules[f"{layer}.v_proj"].apply(original[2 * width :]), atol=1e-6)
    patcher.clear()
    assert held[key] is original


def test_nothing_matched_is_an_error(adapters: list[Adapter]) -> None:
    model = encoder(BIGG)
    with pytest.raises(BadWeights, match="nothing"):
        Patcher(text_encoder_2=model).set([(adapters[0], 1.0, 1.0)])
    receipt = Patcher(text_encoder_2=model).set([(adapters[0], 1.0, 1.0)], allow_empty=True)
    assert receipt.applied == 0
    assert receipt.skipped == len(adapters[0].used)


def test_misfits_are_skipped_with_both_shapes(tmp_path: Path) -> None:
    tensors = lora(SDXL.modules(), "lora_unet_")
    save_file(tensors, tmp_path / "xl.safetensors")
    receipt = Patcher(unet=unet(SD15)).set([(load_adapter(tmp_path / "xl.safetensors"), 1.0, 1.0)])
    (entry,) = receipt.adapters
    assert entry.total == len(tensors)
    assert entry.applied
    assert entry.skipped


def test_a_bias_that_the_layer_lacks_comes_and_goes(tmp_path: Path) -> None:
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file({f"{stem}.diff": torch.ones(8, 8), f"{stem}.diff_b": torch.ones(8)}, tmp_path / "b.safetensors")
    model = unet()
    layer = model.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q")
    with Patcher(unet=model) as patcher:
        patcher.set([(load_adapter(tmp_path / "b.safetensors"), 0.5, 1.0)])
        assert torch.equal(layer.bias, torch.full((8,), 0.5))  # type: ignore[arg-type]
    assert layer.bias is None


@pytest.mark.parametrize(("shape", "first", "last"), [(SD15, 0.0, 1.0), (SDXL, 1.0, 1.0)])
def test_block_weights_count_the_model_s_own_blocks(tmp_path: Path, shape: UNet, first: float, last: float) -> None:
    """OUTALL begins at OUT03 in SD 1 and at OUT00 in SDXL."""
    save_file(lora(shape.modules(), "lora_unet_"), tmp_path / "a.safetensors")
    adapter, model = load_adapter(tmp_path / "a.safetensors"), unet(shape)
    before = state(model)
    Patcher(unet=model).set([(adapter, 1.0, 1.0, parse_blocks("OUTALL"))])
    for name, weight in (("up_blocks.0.resnets.0.conv1", first), ("up_blocks.1.resnets.2.conv1", last)):
        expected = adapter.modules[f"unet.{name}"].apply(before[f"{name}.weight"], weight)
        assert torch.allclose(model.state_dict()[f"{name}.weight"], expected, atol=1e-5)


def test_a_factor_on_a_layer_without_bias(tmp_path: Path) -> None:
    """PEFT's IA3 scales the bias too, where there is one."""
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    tensors = {f"base_model.model.{name}.{layer}.ia3_l": torch.full((8, 1), 2.0) for layer in ("to_k", "to_out.0")}
    save_file(tensors, tmp_path / "a.safetensors")
    model = unet()
    before = state(model)
    with Patcher(unet=model) as patcher:
        receipt = patcher.set([(load_adapter(tmp_path / "a.safetensors"), 1.0, 1.0)])
        assert (receipt.applied, receipt.skipped) == (2, 0)
        assert torch.allclose(state(model)[f"{name}.to_k.weight"], 2 * before[f"{name}.to_k.weight"])
        assert torch.allclose(state(model)[f"{name}.to_out.0.bias"], 2 * before[f"{name}.to_out.0.bias"])
    assert same(state(model), before)


def test_the_error_when_nothing_fits_is_short(adapters: list[Adapter]) -> None:
    with pytest.raises(BadWeights) as caught:
        Patcher(text_encoder_2=encoder(BIGG)).set([(adapters[0], 1.0, 1.0)])
    assert len(str(caught.value)) < 600
