from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.official import key_list
from tests.support.shape_reader import make_weights

from underdrawing.core.errors import BadWeights
from underdrawing.pipeline.models.assembly import measure_slots
from underdrawing.pipeline.models.single_file import describe_unused, split_file

if TYPE_CHECKING:
    from tests.support.shape_reader import Weights

UNETS = {"sd1": "sd15", "sd2": "sd21", "sdxl": "sdxl"}
TEXTS = {
    "sd1": {"text_encoder": "clip_l_transformers"},
    "sd2": {"text_encoder": "openclip_h_sd2_transformers"},
    "sdxl": {"text_encoder": "clip_l_transformers", "text_encoder_2": "openclip_bigg_transformers"},
}


def official_shapes(family: str, *, averaged: bool = False) -> dict[str, list[int]]:
    name = UNETS[family]
    unet = {f"model.diffusion_model.{key}": shape for key, shape in key_list(f"{name}_unet_ldm").items()}
    if averaged:
        unet = {f"model_ema.{key.removeprefix('model.').replace('.', '')}": shape for key, shape in unet.items()}
        unet = {f"model_ema.{key.removeprefix('model_ema.')}": shape for key, shape in unet.items()}
    return {**unet, **key_list(f"{name}_checkpoint_te")}


def list_expected_texts(family: str) -> dict[str, dict[str, tuple[int, ...]]]:
    return {
        part: {key.removeprefix("text_model."): tuple(shape) for key, shape in key_list(name).items()}
        for part, name in TEXTS[family].items()
    }


def list_used(weights: Weights, averaged: bool = False) -> set[str]:
    split = split_file(weights)
    assert split.averaged is averaged
    return {slot.key for slots in split.parts.values() for slot in slots.values()}


@pytest.mark.parametrize("family", UNETS)
def test_every_key_of_the_official_models_has_its_place(family: str) -> None:
    weights = make_weights(official_shapes(family))
    split = split_file(weights)
    assert split.family == family
    unet = {name: tuple(shape) for name, shape in key_list(f"{UNETS[family]}_unet_diffusers").items()}
    assert measure_slots(split.parts["unet"], weights) == unet
    for part, expected in list_expected_texts(family).items():
        found = measure_slots(split.parts[part], weights)
        assert {name: found.get(name) for name in expected} == expected
        more = set(found) - set(expected)
        assert all(name.startswith(("encoder.layers.23.", "text_projection.")) for name in more), more
    left = set(weights.shapes) - list_used(weights)
    assert describe_unused(left) == []


def test_the_refiner_has_one_text_encoder() -> None:
    unet = {f"model.diffusion_model.{key}": shape for key, shape in key_list("sdxl_refiner_unet_ldm").items()}
    text = {f"conditioner.embedders.0.model.{key}": shape for key, shape in key_list("openclip_bigg_native").items()}
    split = split_file(make_weights({**unet, **text}))
    assert split.family == "sdxl_refiner"
    assert set(split.parts) == {"unet", "text_encoder_2"}


def test_averages_stand_in_where_nothing_else_is() -> None:
    shapes = official_shapes("sd1", averaged=True)
    unet = {name: tuple(shape) for name, shape in key_list("sd15_unet_diffusers").items()}
    weights = make_weights(shapes)
    split = split_file(weights)
    assert split.averaged
    assert measure_slots(split.parts["unet"], weights) == unet


def test_averages_beside_the_weights_are_left_out() -> None:
    weights = make_weights({**official_shapes("sd1"), **official_shapes("sd1", averaged=True)})
    left = set(weights.shapes) - list_used(weights)
    assert describe_unused(left) == ["686 keys are averages of the training and are not used"]


def test_keys_that_nothing_needs_are_named() -> None:
    notes = describe_unused(["model.betas", "betas", "cond_stage_model.logit_scale", "extra.one", "extra.two"])
    assert notes == ["3 keys belong to no network and are not used: extra.one, extra.two, model.betas"]


def test_old_names_of_the_text_encoder_are_read() -> None:
    shapes = {key.replace(".text_model.", "."): shape for key, shape in official_shapes("sd1").items()}
    weights = make_weights(shapes)
    found = measure_slots(split_file(weights).parts["text_encoder"], weights)
    assert found == list_expected_texts("sd1")["text_encoder"]


def test_a_missing_text_encoder_is_named() -> None:
    shapes = {key: shape for key, shape in official_shapes("sdxl").items() if ".embedders.1." not in key}
    with pytest.raises(BadWeights, match="UNet of SDXL and no text encoder 2"):
        split_file(make_weights(shapes))


def test_unclip_is_refused_by_name() -> None:
    shapes = official_shapes("sd2")
    shapes["model.diffusion_model.label_emb.0.0.weight"] = [1280, 2048]
    with pytest.raises(BadWeights, match="unCLIP"):
        split_file(make_weights(shapes))
