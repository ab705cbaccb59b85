"""Against the complete key lists of the official models."""

from __future__ import annotations

import pytest
from tests.support.official import key_list

from underdrawing.adapters.modules.architectures import CLIP_L, OPENCLIP_BIGG, OPENCLIP_H, UNET_MODELS
from underdrawing.adapters.modules.layers import Module
from underdrawing.adapters.modules.parts import UNET


def parameters(modules: dict[str, Module]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, module in modules.items():
        found[f"{name}.weight"] = list(module.shape)
        if module.bias:
            found[f"{name}.bias"] = [module.shape[0]]
    return found


@pytest.mark.parametrize("name", list(UNET_MODELS))
def test_unets_are_the_official_ones_in_order(name: str) -> None:
    official = key_list(f"{name}_unet_diffusers_modules")
    mine = UNET_MODELS[name].networks[UNET].modules()
    assert list(mine) == list(official)
    assert {k: [m.kind, list(m.shape)] for k, m in mine.items()} == official
    assert parameters(mine) == key_list(f"{name}_unet_diffusers")


def test_text_encoders_are_the_official_ones() -> None:
    assert parameters(CLIP_L.modules()) == key_list("clip_l_transformers")
    assert parameters(OPENCLIP_H.modules()) == key_list("openclip_h_sd2_transformers")
    official = {k.removeprefix("text_model."): v for k, v in key_list("openclip_bigg_transformers").items()}
    assert parameters(OPENCLIP_BIGG.modules()) == official


@pytest.mark.parametrize(
    ("name", "attention", "kohya"),
    [("sd15", 128, 192), ("sd21", 128, 192), ("sdxl", 560, 722), ("sdxl_refiner", 352, 462)],
)
def test_counts_of_usual_targets(name: str, attention: int, kohya: int) -> None:
    modules = UNET_MODELS[name].networks[UNET].modules()
    assert sum(".attn" in k and modules[k].kind == "Linear" for k in modules) == attention
    assert sum(".attentions." in k and modules[k].kind in ("Linear", "Conv2d") for k in modules) == kohya
