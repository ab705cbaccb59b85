from __future__ import annotations

import pytest
from tests.support.official import key_list

from underdrawing.checkpoints.layouts.unet import name_control_key, name_unet_keys

UNETS = ("sd15", "sd21", "sdxl", "sdxl_refiner")
OWN = (
    *(f"controlnet_down_blocks.{index}.bias" for index in range(12)),
    "controlnet_mid_block.weight",
    "controlnet_cond_embedding.conv_in.weight",
    *(f"controlnet_cond_embedding.blocks.{index}.weight" for index in range(6)),
    "controlnet_cond_embedding.conv_out.weight",
)


@pytest.mark.parametrize("name", UNETS)
def test_official_unets(name: str) -> None:
    expected = key_list(f"{name}_unet_map_diffusers_to_ldm_comfy")
    found = {own: slot.key for own, slot in name_unet_keys(expected.values()).items()}
    assert found == expected


@pytest.mark.parametrize("wrapper", ["", "_orig_mod.", "module."])
def test_diffusers_names_stay(wrapper: str) -> None:
    keys = [f"{wrapper}{key}" for key in key_list("sd15_unet_diffusers")]
    assert set(name_unet_keys(keys)) == set(key_list("sd15_unet_diffusers"))


@pytest.mark.parametrize("name", UNETS)
def test_official_controlnets(name: str) -> None:
    unet = [
        key for key in key_list(f"{name}_unet_diffusers") if not key.startswith(("up_blocks.", "conv_norm", "conv_out"))
    ]
    modules = frozenset(key.rpartition(".")[0] for key in key_list(f"{name}_unet_diffusers"))
    original = {name_control_key(key, modules): key for key in (*unet, *OWN)}
    assert {slot.key: own for own, slot in name_unet_keys(original).items()} == original


def test_averages_have_no_dots() -> None:
    from underdrawing.checkpoints.layouts.unet import name_averaged_keys

    keys = ["model_ema.diffusion_modelinput_blocks00weight", "model_ema.decay"]
    assert name_averaged_keys(keys, ["input_blocks.0.0.weight"]) == {"input_blocks.0.0.weight": keys[0]}
