"""Originals survive whatever several Patchers do with one model, in any order and from several threads."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
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


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn"])
def test_weights_that_were_narrow_for_a_while_get_their_originals_back(adapters: list[Adapter], name: str) -> None:
    model = tiny_model(LAYERS)
    before = held(model)
    patcher = Patcher(unet=model)
    patcher.set([(adapters[1], 1, 1)])
    model.to(getattr(torch, name)).to(torch.float32)
    patcher.clear()
    assert all(held(model)[f"{one}.weight"] is before[f"{one}.weight"] for one in NAMES[:2])


def test_a_narrow_model_gets_its_originals_back(adapters: list[Adapter]) -> None:
    model, plain = tiny_model(LAYERS), tiny_model(LAYERS).to(torch.float8_e5m2)
    patcher = Patcher(unet=model)
    patcher.set([(adapters[1], 1, 1)])
    model.to(torch.float8_e5m2)
    patcher.clear()
    assert all(torch.equal(one.float(), plain.state_dict()[name].float()) for name, one in model.state_dict().items())


def test_a_module_that_was_replaced_is_patched_and_the_old_one_is_as_it_was(adapters: list[Adapter]) -> None:
    model = tiny_model(LAYERS)
    parent, patcher = model.get_submodule("time_embedding"), Patcher(unet=model)
    old, own = parent.get_submodule("linear_1"), torch.nn.Linear(8, 16)
    before = old.get_parameter("weight")
    weight, content = own.weight, own.weight.detach().clone()
    patcher.set([(adapters[1], 1, 1)])
    parent.linear_1 = own
    patcher.set([(adapters[1], 1, 1)])
    right = adapters[1].modules[f"unet.{NAMES[1]}"].apply(content, 1.0)
    assert torch.allclose(own.weight, right, atol=1e-6)
    assert old.get_parameter("weight") is before
    Patcher(unet=model).clear()
    assert own.weight is weight
    assert torch.equal(weight, content)


def test_keys_that_come_and_go_in_a_state_dict(adapters: list[Adapter]) -> None:
    whole: dict[str, Tensor] = dict(tiny_model(LAYERS).state_dict())
    content = {name: tensor.clone() for name, tensor in whole.items()}
    late = {name: whole.pop(name) for name in list(whole) if name.startswith(NAMES[1])}
    patcher = Patcher(unet=whole)
    assert patcher.set([(adapters[1], 1, 1)]).adapters[0].modules == 1
    whole.update(late)
    assert patcher.set([(adapters[1], 1, 1)]).adapters[0].modules == 2
    gone = whole.pop(f"{NAMES[0]}.weight")
    assert torch.equal(gone, content[f"{NAMES[0]}.weight"]) is False
    patcher.clear()
    assert all(torch.equal(tensor, content[name]) for name, tensor in whole.items())


def test_set_in_inference_mode_and_then_outside(adapters: list[Adapter]) -> None:
    model, other = tiny_model(LAYERS), tiny_model(LAYERS, seed=5)
    before, content = held(model), {name: tensor.detach().clone() for name, tensor in held(model).items()}
    patcher = Patcher(unet=model)
    with torch.inference_mode():
        patcher.set([(adapters[2], 1, 1)])
    patcher.set([(adapters[2], 0.5, 1)])
    patcher.clear()
    assert same(held(model), before, content)
    with torch.inference_mode():
        patcher.set([(adapters[1], 1, 1)])
        model.load_state_dict(other.state_dict())
    patcher.clear()
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_who_writes_into_patched_weights_is_told(adapters: list[Adapter], caplog: pytest.LogCaptureFixture) -> None:
    model = tiny_model(LAYERS)
    patcher = Patcher(unet=model)
    assert not patcher.set([(adapters[1], 1, 1)]).notes
    assert not patcher.set([(adapters[1], 0.5, 1)]).notes
    with torch.no_grad():
        model.get_parameter(f"{NAMES[1]}.weight").add_(1)
    (note,) = patcher.set([(adapters[1], 1, 1)]).notes
    assert note.startswith(f"1 weights were written while adapters were applied (such as unet.{NAMES[1]}.weight)")
    with torch.no_grad():
        model.get_parameter(f"{NAMES[0]}.weight").add_(1)
    with caplog.at_level(logging.WARNING, "underdrawing"):
        patcher.clear()
    assert f"unet.{NAMES[0]}.weight" in caplog.text


def test_a_patcher_is_not_copied_and_a_copy_of_a_patched_model_is_as_patched(adapters: list[Adapter]) -> None:
    model = tiny_model(LAYERS)
    before, content = held(model), {name: tensor.detach().clone() for name, tensor in held(model).items()}
    patcher = Patcher(unet=model)
    patcher.set([(adapters[1], 1, 1)])
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="make one for the copy"):
            take(patcher)
    twin = copy.deepcopy(model)
    Patcher(unet=twin).clear()
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in twin.state_dict().items())
    patcher.clear()
    assert same(held(model), before, content)
