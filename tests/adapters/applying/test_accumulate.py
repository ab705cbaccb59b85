"""The fast path: products in pieces, buffers in one mapping, and both orders."""

from __future__ import annotations

import gc
import math
import random
import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.adapter_models import BIGG, SD15, lora, unet
from tests.support.adapter_models import model as tiny_model

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying import accumulate, buffers
from underdrawing.adapters.deltas.dense import Dense
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.modules.targets import Piece
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.modules.layers import Module

STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
NAME = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture(autouse=True)
def everything_counts_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accumulate, "SMALL", 0)
    monkeypatch.setattr(accumulate, "PIECE", 100)
    monkeypatch.setattr(accumulate, "BOUNDED", 0)
    monkeypatch.setattr(buffers, "WORTHWHILE", 0)


MODULES = {
    name: module
    for name, module in SD15.modules().items()
    if name.startswith(("mid_block.attentions", "conv_in", "down_blocks.0.attentions.0"))
}
FEW_MODULES = {
    name: module
    for name, module in MODULES.items()
    if name in ("conv_in", NAME) or name.startswith(("mid_block.attentions.0.proj_", "mid_block.attentions.0.norm"))
}
"""One of each shape, for what is repeated a thousand times."""


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    return write_adapters(tmp_path_factory.mktemp("adapters"), MODULES)


def write_adapters(folder: Path, modules: dict[str, Module]) -> list[Adapter]:
    made: list[Adapter] = []
    for seed in range(3):
        tensors = lora(modules, "lora_unet_", rank=seed + 1, seed=seed)
        if seed == 2:  # only a part of the model
            tensors = {key: tensor for key, tensor in tensors.items() if "proj_in" in key}
        save_file(tensors, folder / f"{seed}.safetensors")
        made.append(load_adapter(folder / f"{seed}.safetensors"))
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", ["rows", "columns", "channels last"])
def test_pieces_make_the_whole(dtype: torch.dtype, layout: str) -> None:
    base = torch.randn(30, 7, 3, 3).to(dtype) if layout == "channels last" else torch.randn(30, 21).to(dtype)
    into = torch.empty_like(base)
    if layout == "columns":
        base, into = base.T, into.T
    elif layout == "channels last":
        base, into = (tensor.to(memory_format=torch.channels_last) for tensor in (base, into))
    before, cols = base.clone(), base[0].numel()
    product = LowRank(up=torch.randn(base.shape[0], 4), down=torch.randn(4, cols), scale=0.3)
    whole = Dense(diff=torch.randn(base.shape))
    changes = [
        accumulate.PlacedChange(accumulate.compute_change(product, base, "weight"), 0.7),
        accumulate.PlacedChange(accumulate.compute_change(whole, base, "weight"), -2.0),
    ]
    assert changes[0].change.down is not None
    accumulate.write_sum(into, base, changes, accumulate.Workspace())
    expected = base.double() + 0.7 * product.change(base.float()).double() - 2 * whole.diff.double()
    assert torch.equal(base, before)
    assert (into.double() - expected).abs().max() <= torch.finfo(dtype).eps * expected.abs().max() + 1e-6


def place(up: torch.Tensor, down: torch.Tensor, strength: float, *pieces: Piece) -> accumulate.PlacedChange:
    return accumulate.PlacedChange(accumulate.ComputedChange(up, down), strength, pieces)


def test_products_in_the_same_rows_are_one_product() -> None:
    half, other = (Piece(0, 0, 4),), (Piece(4, 0, 4),)
    given = [
        place(torch.randn(8, 2), torch.randn(2, 5), 0.5),
        place(torch.randn(4, 3), torch.randn(3, 5), -2.0, *half),
        place(torch.randn(8, 1), torch.randn(1, 5), 3.0),
        accumulate.PlacedChange(accumulate.ComputedChange(torch.randn(8, 5)), 0.25),
        place(torch.randn(4, 2), torch.randn(2, 5), 1.0, *half),
        place(torch.randn(4, 2), torch.randn(2, 5), 1.0, *other),
    ]
    joined = accumulate.join_products(given)
    assert len(joined) == 4
    apart, together = torch.zeros(8, 5), torch.zeros(8, 5)
    for changes, total in ((given, apart), (joined, together)):
        for one in changes:
            one.add_to(total, 0)
    torch.testing.assert_close(together, apart)


def test_weights_whose_values_are_bounded_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    base, looked = torch.randn(40, 30).half(), list[int]()
    check = accumulate._check_range

    def look(total: torch.Tensor, written: torch.Tensor, base: torch.Tensor) -> float:
        looked.append(1)
        return check(total, written, base)

    monkeypatch.setattr(accumulate, "_check_range", look)
    change, into = place(torch.randn(40, 2), torch.randn(2, 30), 0.5), torch.empty_like(base)
    largest = accumulate.write_sum(into, base, [change], accumulate.Workspace(), largest=math.inf)
    assert looked
    assert largest is not None
    assert float(base.abs().max()) <= largest < 1000
    looked.clear()
    assert accumulate.write_sum(into, base, [change], accumulate.Workspace(), largest=largest) == largest
    assert not looked
    assert torch.equal(into, (base + 0.5 * change.change.up @ change.change.down).half())  # type: ignore[operator]
    with pytest.raises(BadWeights, match="infinite in float16"):
        accumulate.write_sum(into, base, [change._replace(strength=1e6)], accumulate.Workspace(), largest=largest)


def test_a_bound_ends_when_the_original_is_written(adapters: list[Adapter]) -> None:
    model = tiny_model(FEW_MODULES, dtype=torch.float16)
    weight = model.get_parameter("mid_block.attentions.0.proj_in.weight")
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 0.0)])
    patcher.set([(adapters[1], 1.0, 0.0)])
    with pytest.raises(BadWeights, match="infinite in float16"):
        patcher.set([(adapters[1], 1e9, 0.0)])
    patcher.set([(adapters[0], 1.0, 0.0)])
    with torch.no_grad():
        weight[0, 0] = math.inf
    with pytest.raises(BadWeights, match="in the model itself"):
        patcher.set([(adapters[1], 1.0, 0.0)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_thousand_cycles_leave_nothing_and_depend_on_nothing(tmp_path: Path, dtype: torch.dtype) -> None:
    model, adapters = tiny_model(FEW_MODULES, dtype=dtype), write_adapters(tmp_path, FEW_MODULES)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    objects, dice, patcher = dict(model.named_parameters()), random.Random(5), Patcher(unet=model)
    seen: dict[tuple[int, float], torch.Tensor] = {}
    for _ in range(1000):
        if dice.random() < 0.2:
            patcher.clear()
        number, strength = dice.randrange(3), dice.choice([0.5, -1.25])
        patcher.set([(adapters[number], strength, 0.0)])
        value = model.get_parameter("mid_block.attentions.0.proj_in.weight").detach().clone()
        assert torch.equal(value, seen.setdefault((number, strength), value))
    patcher.clear()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(objects[name] is parameter for name, parameter in model.named_parameters())


def test_memory_is_given_back(adapters: list[Adapter], monkeypatch: pytest.MonkeyPatch) -> None:
    mappings: list[weakref.ref[buffers.mmap.mmap]] = []
    make = buffers._map_memory

    def watched(size: int) -> buffers.mmap.mmap:
        block = make(size)
        mappings.append(weakref.ref(block))
        return block

    monkeypatch.setattr(buffers, "_map_memory", watched)
    model = unet()
    patcher = Patcher(unet=model)
    patcher.set([(adapters[0], 1.0, 1.0)])
    patcher.set([(adapters[1], 1.0, 1.0)])
    assert len(mappings) == 1  # the same weights: the same buffers
    patcher.set([(adapters[2], 1.0, 1.0)])
    gc.collect()
    assert mappings[0]() is None  # most of it was not needed any more
    patcher.clear()
    gc.collect()
    assert all(mapping() is None for mapping in mappings)


def test_sequential_feeds_each_change_what_the_one_before_left(adapters: list[Adapter], tmp_path: Path) -> None:
    save_file(
        {f"{STEM}.weight": torch.full((8,), 0.5), f"{STEM}.on_input": torch.tensor(0)}, tmp_path / "ia3.safetensors"
    )
    ia3 = load_adapter(tmp_path / "ia3.safetensors")
    model = unet()
    base = model.get_parameter(f"{NAME}.weight").clone()
    added = adapters[0].modules[f"unet.{NAME}"].apply(base)
    wishes = [(adapters[0], 1.0, 1.0), (ia3, 1.0, 1.0)]
    with Patcher(unet=model, order="sequential") as patcher:
        patcher.set(wishes)
        assert torch.allclose(model.get_parameter(f"{NAME}.weight"), 1.5 * added, atol=1e-6)
    with Patcher(unet=model) as patcher:
        patcher.set(wishes)
        assert torch.allclose(model.get_parameter(f"{NAME}.weight"), added + 0.5 * base, atol=1e-6)
    assert torch.equal(model.get_parameter(f"{NAME}.weight"), base)


@pytest.mark.parametrize("victim", ["q", "v"])
def test_an_exception_between_fused_rows_restores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str) -> None:
    width, key = BIGG.width, "transformer.resblocks.0.attn.in_proj_weight"
    tensors = lora(BIGG.modules(), "lora_te2_text_model_")
    save_file({k: v for k, v in tensors.items() if "layers_0_self_attn" in k}, tmp_path / "qkv.safetensors")
    first, second = (load_adapter(tmp_path / "qkv.safetensors") for _ in range(2))
    original = torch.randn(3 * width, width)
    held = {key: original}
    patcher = Patcher(text_encoder_2=held)
    patcher.set([(first, 1.0, 1.0)])
    failing = second.modules[f"text_encoder_2.encoder.layers.0.self_attn.{victim}_proj"]
    healthy = LowRank.factors

    def factors(self: LowRank) -> tuple[torch.Tensor, torch.Tensor]:
        if self is failing:
            raise MemoryError
        return healthy(self)

    monkeypatch.setattr(LowRank, "factors", factors)
    with pytest.raises(MemoryError):
        patcher.set([(second, 1.0, 1.0)])
    assert held[key] is original
