from __future__ import annotations

import pytest
from tests.support.official import key_list

from underdrawing.adapters.modules.architectures import UNET_MODELS, list_modules
from underdrawing.adapters.modules.spellings import (
    find_names,
    index_spellings,
    list_spellings,
    to_ldm_name,
    to_openclip_name,
)


def names(architecture: str, part: str = "unet") -> list[str]:
    return [n.removeprefix(f"{part}.") for n in list_modules(architecture) if n.startswith(f"{part}.")]


@pytest.mark.parametrize("architecture", list(UNET_MODELS))
def test_ldm_names_are_the_official_ones(architecture: str) -> None:
    official = key_list(f"{architecture}_unet_map_diffusers_to_ldm_comfy")
    known = frozenset(names(architecture))
    mine = {
        f"{n}.{p}": f"{to_ldm_name(n, known)}.{p}" for n in known for p in ("weight", "bias") if f"{n}.{p}" in official
    }
    assert mine == official


@pytest.mark.parametrize(("part", "file"), [("openclip_h_native", "sd21"), ("openclip_bigg_native", "sdxl")])
def test_openclip_names_exist(part: str, file: str) -> None:
    native = key_list(part)
    encoder = "text_encoder" if file == "sd21" else "text_encoder_2"
    for name in names(file, encoder):
        spelt = to_openclip_name(name)
        assert (spelt is None) == (name.split(".")[-1] in ("q_proj", "k_proj", "v_proj"))
        assert spelt is None or spelt in native or f"{spelt}.weight" in native


@pytest.mark.parametrize("architecture", list(UNET_MODELS))
def test_no_two_modules_share_a_spelling(architecture: str) -> None:
    for part in UNET_MODELS[architecture].networks:
        own = names(architecture, part)
        spelt = [s for n in own for s in list_spellings(part, n, frozenset(own))]
        both = [*spelt, *{s.replace(".", "_") for s in spelt}]
        assert len(set(both)) == len(index_spellings(part, own))
        assert len(spelt) == len(set(spelt))


def test_architectures_agree_on_every_spelling() -> None:
    for part in ("unet", "text_encoder", "text_encoder_2"):
        union = find_names(part)
        for architecture in UNET_MODELS:
            for spelling, name in index_spellings(part, names(architecture, part)).items():
                assert union[spelling] == name


def test_kohya_names_resolve() -> None:
    for name in key_list("sd15_kohya_names"):
        assert name.removeprefix("lora_unet_") in find_names("unet")
    for name in key_list("sdxl_kohya_names"):
        assert name.removeprefix("lora_unet_") in find_names("unet")
    for name in key_list("sdxl_kohya_te_names"):
        part = {"lora_te1_": "text_encoder", "lora_te2_": "text_encoder_2"}[name[:9]]
        assert name[9:] in find_names(part)
