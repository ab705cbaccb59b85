from __future__ import annotations

import pytest
from tests.support.official import key_list

from underdrawing.checkpoints.layouts.text import name_text_keys

LISTS = {"openclip_h_native": "openclip_h_sd2_transformers", "openclip_bigg_native": "openclip_bigg_transformers"}


@pytest.mark.parametrize(("native", "expected"), LISTS.items())
def test_openclip_gives_transformers_names(native: str, expected: str) -> None:
    found = name_text_keys(key_list(native))
    wanted = {key.removeprefix("text_model.") for key in key_list(expected)}
    assert wanted <= set(found)
    thirds = {
        name.rpartition(".self_attn.")[2][:1]: slot.third for name, slot in found.items() if slot.third is not None
    }
    assert thirds == {"q": 0, "k": 1, "v": 2}
    assert {slot.key for slot in found.values()} == set(key_list(native)) - {"logit_scale"}
    assert found["text_projection.weight"].transposed


@pytest.mark.parametrize("start", ["", "text_model.", "transformer.", "transformer.text_model."])
def test_transformers_names_stay(start: str) -> None:
    keys = [f"{start}{key}" for key in key_list("clip_l_transformers")]
    assert set(name_text_keys(keys)) == set(key_list("clip_l_transformers"))
    assert name_text_keys([f"{start}embeddings.position_ids", "vision_model.x"]) == {}
