from __future__ import annotations

import pytest
import torch
from tests.support.official import key_list

from underdrawing.adapters.modules.architectures import list_modules
from underdrawing.adapters.modules.targets import Slot, find_slots


@pytest.mark.parametrize("architecture", ["sd15", "sd21", "sdxl"])
def test_every_module_of_a_checkpoint_has_a_slot_of_its_shape(architecture: str) -> None:
    unet = {f"model.diffusion_model.{k}": v for k, v in key_list(f"{architecture}_unet_ldm").items()}
    checkpoint = {**unet, **key_list(f"{architecture}_checkpoint_te")}
    found = find_slots(checkpoint)
    wanted = list_modules(architecture)
    assert {name for name, parameter in found if parameter == "weight"} >= set(wanted)
    for (name, parameter), slot in found.items():
        if name in wanted:
            shape = wanted[name].shape if parameter == "weight" else wanted[name].shape[:1]
            assert slot.view(torch.empty(checkpoint[slot.key], device="meta")).shape == shape
    assert {slot.key for slot in found.values()} >= set(unet)


def test_fused_rows_are_q_k_v_in_order() -> None:
    key = "conditioner.embedders.1.model.transformer.resblocks.3.attn.in_proj_weight"
    stored = torch.arange(9.0)[:, None].expand(9, 3)
    found = find_slots([key])
    for third, name in enumerate(("q_proj", "k_proj", "v_proj")):
        slot = found[f"text_encoder_2.encoder.layers.3.self_attn.{name}", "weight"]
        assert slot.view(stored)[:, 0].tolist() == [third * 3.0, third * 3.0 + 1, third * 3.0 + 2]


def test_both_transformers_spellings() -> None:
    name = "encoder.layers.0.mlp.fc1"
    for key in (f"{name}.bias", f"text_model.{name}.bias"):
        assert find_slots([key], "text_encoder") == {(f"text_encoder.{name}", "bias"): Slot(key)}


def test_foreign_keys_have_no_slot() -> None:
    assert find_slots(["first_stage_model.encoder.conv_in.weight", "model_ema.decay", "alphas_cumprod"]) == {}
