from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.support.adapter_models import SD15, unet
from torch import nn

from underdrawing.adapters.modules.targets import find_slots
from underdrawing.adapters.modules.wrappers import strip_wrappers

NAMES = sorted(SD15.modules())
STEPS = st.lists(
    st.sampled_from(["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]), max_size=2
)


@given(st.sampled_from(NAMES), STEPS, st.booleans(), st.data())
def test_wrappers_are_left_out_wherever_they_stand(
    name: str, steps: list[str], base: bool, data: st.DataObject
) -> None:
    parts = name.split(".")
    at = data.draw(st.integers(0, len(parts)))
    wrapped = ".".join([*parts[:at], *steps, *parts[at:], *(["base_layer"] if base else []), "weight"])
    assert strip_wrappers(wrapped) == f"{name}.weight"
    assert strip_wrappers(f"base_model.model.{wrapped}") == f"{name}.weight"
    assert ("unet." + name, "weight") in find_slots([wrapped], "unet")


def test_wrapped_live_models_have_all_their_slots() -> None:
    model = unet()
    plain = set(find_slots([name for name, _ in model.named_parameters()], "unet"))
    compiled, parallel = nn.Module(), nn.Module()
    compiled.add_module("_orig_mod", model)
    parallel.add_module("module", compiled)
    for wrapped in (compiled, parallel):
        keys = [name for name, _ in wrapped.named_parameters()]
        slots = find_slots(keys, "unet")
        assert set(slots) == plain
        assert {slot.key for slot in slots.values()} == set(keys)


def test_the_layer_that_peft_wraps_is_the_target() -> None:
    keys = ["conv_in.base_layer.weight", "conv_in.base_layer.bias", "conv_in.lora_A.default.weight"]
    slots = find_slots(keys, "unet")
    assert slots["unet.conv_in", "weight"].key == keys[0]
    assert slots["unet.conv_in", "bias"].key == keys[1]


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_wrapped_checkpoints(prefix: str) -> None:
    key = f"{prefix}model.diffusion_model.input_blocks.0.0.weight"
    assert find_slots({key: torch.zeros(1)})["unet.conv_in", "weight"].key == key
