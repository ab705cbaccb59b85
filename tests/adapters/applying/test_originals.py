"""Originals survive whatever several Patchers do with one model, in any order and from several threads."""

from __future__ import annotations

import gc
import random
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.adapter_models import lora
from tests.support.adapter_models import model as tiny_model

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying.originals import Allocation, Originals, Replacement
from underdrawing.adapters.modules.layers import Module
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter

NAMES = ("conv_in", "time_embedding.linear_1", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q")
LAYERS = {
    NAMES[0]: Module("Conv2d", (8, 4, 3, 3)),
    NAMES[1]: Module("Linear", (16, 8)),
    NAMES[2]: Module("Linear", (8, 8), bias=False),
}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    folder: Path = tmp_path_factory.mktemp("loras")
    found: list[Adapter] = []
    for seed in range(3):
        chosen = {name: LAYERS[name] for name in NAMES[: seed + 1]}
        tensors = lora(chosen, "lora_unet_", seed=seed)
        if seed == 2:
            tensors["lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.diff_b"] = torch.ones(8)
        save_file(tensors, folder / f"{seed}.safetensors")
        found.append(load_adapter(folder / f"{seed}.safetensors"))
    return found


def held(model: torch.nn.Module | dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(model) if isinstance(model, dict) else dict(model.named_parameters())


def same(first: dict[str, Tensor], second: dict[str, Tensor], content: dict[str, Tensor]) -> bool:
    objects = first.keys() == second.keys() and all(first[name] is second[name] for name in first)
    return objects and all(torch.equal(first[name], content[name]) for name in first)


@pytest.mark.parametrize("kind", ["module", "state dict"])
def test_several_patchers_in_any_order_of_set_and_clear(adapters: list[Adapter], kind: str) -> None:
    module = tiny_model(LAYERS)
    model = module if kind == "module" else dict(module.state_dict())
    before, content = held(model), {name: tensor.detach().clone() for name, tensor in held(model).items()}
    dice = random.Random(3)
    for _ in range(40):
        patchers = [Patcher(unet=model) for _ in range(3)]
        for _ in range(8):
            number = dice.randrange(len(patchers))
            if dice.random() < 0.6:
                patchers[number].set([(dice.choice(adapters), dice.uniform(-2, 2), 1.0)])
            elif dice.random() < 0.7:
                patchers[number].clear()
            else:
                patchers[number] = Patcher(unet=model)  # the one before is dropped while it may have patched
        dice.choice(patchers).clear()
        assert same(held(model), before, content)
        for patcher in patchers:
            patcher.clear()
        assert same(held(model), before, content)


def test_the_last_set_counts(adapters: list[Adapter]) -> None:
    model, alone = tiny_model(LAYERS), tiny_model(LAYERS)
    first, second = Patcher(unet=model), Patcher(unet=model)
    first.set([(adapters[2], 1.0, 1.0)])
    second.set([(adapters[0], 0.5, 1.0)])
    Patcher(unet=alone).set([(adapters[0], 0.5, 1.0)])
    assert all(torch.equal(tensor, alone.state_dict()[name]) for name, tensor in model.state_dict().items())
    first.set([(adapters[0], 0.5, 1.0)])
    assert all(torch.equal(tensor, alone.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_checkpoint_loaded_over_another_patcher_s_weights_stays(adapters: list[Adapter]) -> None:
    model, other = tiny_model(LAYERS), tiny_model(LAYERS, seed=5)
    first, second = Patcher(unet=model), Patcher(unet=model)
    first.set([(adapters[1], 1.0, 1.0)])
    second.set([(adapters[1], -1.0, 1.0)])
    model.load_state_dict(other.state_dict())
    first.set([(adapters[1], 0.5, 1.0)])
    name = NAMES[1]
    right = adapters[1].modules[f"unet.{name}"].apply(other.state_dict()[f"{name}.weight"], 0.5)
    assert torch.allclose(model.state_dict()[f"{name}.weight"], right, atol=1e-6)
    second.clear()
    first.clear()
    assert all(torch.equal(tensor, other.state_dict()[n]) for n, tensor in model.state_dict().items())


def test_a_cast_between_two_patchers(adapters: list[Adapter]) -> None:
    model, plain = tiny_model(LAYERS), tiny_model(LAYERS).to(torch.float16)
    Patcher(unet=model).set([(adapters[2], 1.0, 1.0)])
    model.to(torch.float16)
    Patcher(unet=model).clear()
    assert all(torch.equal(tensor, plain.state_dict()[n]) for n, tensor in model.state_dict().items())


def test_one_patcher_and_one_model_from_several_threads(adapters: list[Adapter]) -> None:
    model = tiny_model(LAYERS)
    before, content = held(model), {name: tensor.detach().clone() for name, tensor in held(model).items()}
    shared, barrier = Patcher(unet=model), threading.Barrier(4)
    faults: list[Exception] = []

    def work(seed: int) -> None:
        dice, own = random.Random(seed), Patcher(unet=model)
        try:
            barrier.wait()
            for _ in range(30):
                patcher = dice.choice([shared, own])
                if dice.random() < 0.7:
                    patcher.set([(dice.choice(adapters), dice.uniform(-2, 2), 1.0)])
                else:
                    patcher.clear()
        except (RuntimeError, KeyError, AttributeError, BadWeights) as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    shared.clear()
    assert same(held(model), before, content)


def test_no_model_is_held_alive(adapters: list[Adapter]) -> None:
    model = tiny_model(LAYERS)
    Patcher(unet=model).set([(adapters[2], 1.0, 1.0)])
    originals = [weakref.ref(tensor) for tensor in model.parameters()]
    del model
    gc.collect()
    assert all(reference() is None for reference in originals)


def test_a_record_is_of_one_tensor_and_goes_with_it() -> None:
    originals, patched = Originals(), torch.ones(3)
    replacement = Replacement(torch.zeros(3), torch.ones(3), Allocation(12))
    originals.add(patched, replacement)
    assert originals.find(patched) is replacement
    assert originals.find(torch.ones(3)) is None
    del patched
    gc.collect()
    assert not originals._held


def test_copies_of_a_state_dict_find_the_originals_in_any_order(adapters: list[Adapter]) -> None:
    first: dict[str, Tensor] = dict(tiny_model(LAYERS).state_dict())
    before = dict(first)
    content = {name: tensor.clone() for name, tensor in first.items()}
    patcher = Patcher(unet=first)
    patcher.set([(adapters[0], 1, 1)])
    second = dict(first)
    Patcher(unet=second).clear()
    patcher.clear()
    assert same(first, before, content)
    assert same(second, before, content)
    patcher.set([(adapters[0], 1, 1)])
    third = dict(first)
    other = Patcher(unet=third)
    other.set([(adapters[1], 1, 1)])
    Patcher(unet=first).clear()
    other.clear()
    assert same(first, before, content)
    assert same(third, before, content)
