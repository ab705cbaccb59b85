from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from tests.support.trained_networks import make_tree

from underdrawing.pipeline.training.export.metadata import Facts, build_metadata

FACTS = Facts(
    title="hat", size=(512, 384), seed=7, steps=100, words=("ohwx", "red hat"), tags={"1_hat": {"ohwx": 3}},
    options={"min_snr_gamma": 5.0, "lr_warmup_steps": 0, "noise_offset": None},
)  # fmt: skip


def test_kohyas_entries_and_the_model_specification() -> None:
    table = build_metadata(make_tree(), FACTS)
    assert table["ss_base_model_version"] == "sd_v1"
    assert table["ss_resolution"] == "(512, 384)"
    assert json.loads(table["ss_tag_frequency"]) == {"1_hat": {"ohwx": 3}}
    assert (table["ss_seed"], table["ss_steps"], table["ss_min_snr_gamma"]) == ("7", "100", "5.0")
    assert table["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert table["modelspec.trigger_phrase"] == "ohwx, red hat"
    assert (table["modelspec.resolution"], table["modelspec.prediction_type"]) == ("512x384", "epsilon")
    assert table["ss_noise_offset"] == "None"  # as kohya's scripts write what is off


@pytest.mark.parametrize(
    ("family", "prediction", "name"),
    [
        ("sd2", "epsilon", "stable-diffusion-v2-512/lora"),
        ("sd2", "v_prediction", "stable-diffusion-v2-768-v/lora"),
        ("sdxl", "epsilon", "stable-diffusion-xl-v1-base/lora"),
    ],
)
def test_the_base_model_is_named(family: str, prediction: str, name: str) -> None:
    table = build_metadata(replace(make_tree(family), prediction=prediction), FACTS)
    assert table["modelspec.architecture"] == name
