"""Against the complete key lists of the official models, where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from underdrawing.adapters.modules.architectures import ARCHITECTURES, CLIP_L, OPENCLIP_BIGG, OPENCLIP_H
from underdrawing.adapters.modules.layers import Module
from underdrawing.adapters.modules.parts import UNET

KEYS = Path(__file__).resolve().parents[4] / "shared" / "keys"
needs_keys = pytest.mark.skipif(
    not KEYS.is_dir(), reason="the official key lists (shared/keys) are not beside this checkout"
)


def read(name: str) -> dict[str, list[int]]:
    return json.loads((KEYS / name).read_text())


def parameters(modules: dict[str, Module]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, module in modules.items():
        found[f"{name}.weight"] = list(module.shape)
        if module.bias:
            found[f"{name}.bias"] = [module.shape[0]]
    return found


@needs_keys
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_unets_are_the_official_ones_in_order(name: str) -> None:
    official = read(f"{name}_unet_diffusers_modules.json")
    mine = ARCHITECTURES[name].networks[UNET].modules()
    assert list(mine) == list(official)
    assert {k: [m.kind, list(m.shape)] for k, m in mine.items()} == official
    assert parameters(mine) == read(f"{name}_unet_diffusers.json")


@needs_keys
def test_text_encoders_are_the_official_ones() -> None:
    assert parameters(CLIP_L.modules()) == read("clip_l_transformers.json")
    assert parameters(OPENCLIP_H.modules()) == read("openclip_h_sd2_transformers.json")
    official = {k.removeprefix("text_model."): v for k, v in read("openclip_bigg_transformers.json").items()}
    assert parameters(OPENCLIP_BIGG.modules()) == official


@pytest.mark.parametrize(
    ("name", "attention", "kohya"),
    [("sd15", 128, 192), ("sd21", 128, 192), ("sdxl", 560, 722), ("sdxl_refiner", 352, 462)],
)
def test_counts_of_usual_targets(name: str, attention: int, kohya: int) -> None:
    modules = ARCHITECTURES[name].networks[UNET].modules()
    assert sum(".attn" in k and modules[k].kind == "Linear" for k in modules) == attention
    assert sum(".attentions." in k and modules[k].kind in ("Linear", "Conv2d") for k in modules) == kohya
