"""Text encoders that are language models, against lists of transformers' own classes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.adapters.modules import language_models
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.language_models import GEMMA2_2B, QWEN3_06B, T5_XXL, LanguageModel

KEYS = Path(__file__).parents[2] / "golden" / "keys" / "transformers.json.gz"
GOLDEN: dict[str, list[list[Any]]] = json.loads(gzip.decompress(KEYS.read_bytes()))
MODELS = {model.clip: model for model in vars(language_models).values() if isinstance(model, LanguageModel)}


@pytest.mark.parametrize("clip", MODELS)
def test_layers_are_those_of_transformers(clip: str) -> None:
    official = {
        template.replace("#", str(number)): [kind, shape, bias]
        for template, kind, shape, bias, numbers in GOLDEN[clip]
        for number in (numbers or [""])
    }
    official.pop("encoder.embed_tokens", None)  # the same tensor as shared
    mine = {name: [m.kind, list(m.shape), m.bias] for name, m in MODELS[clip].modules().items()}
    assert mine == official


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_names_are_read_in_every_spelling(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(list(MODELS.values())))
    number = data.draw(st.integers(0, 199))
    template = data.draw(st.sampled_from(sorted({layer.name for layer in model.layers})))
    name = template.replace("#", str(number))
    wrapper = data.draw(
        st.sampled_from(["", "model.", "model.language_model.", "language_model.model.", "transformer."])
    )
    for spelling in (f"{wrapper}{name}", f"{wrapper}{name}".replace(".", "_")):
        assert model.find_name(spelling) == name


def test_encoders_are_told_apart_by_the_names_of_their_layers() -> None:
    t5 = "encoder_block_3_layer_0_SelfAttention_q"
    clip = "text_model_encoder_layers_3_self_attn_q_proj"
    gemma = "layers_3_self_attn_q_proj"
    assert T5_XXL.find_name(t5) == "encoder.block.3.layer.0.SelfAttention.q"
    assert GEMMA2_2B.find_name(gemma) == QWEN3_06B.find_name(gemma) == "layers.3.self_attn.q_proj"
    for name in (t5, clip):
        assert GEMMA2_2B.find_name(name) is None
    for name in (gemma, clip, "layers.x.self_attn.q_proj", ""):
        assert T5_XXL.find_name(name) is None


@pytest.mark.parametrize("name", TRANSFORMER_MODELS)
def test_text_encoders_are_as_wide_as_the_transformer_reads(name: str) -> None:
    model = TRANSFORMER_MODELS[name]
    assert model.transformer is not None
    width = model.transformer.numbers["t"]
    encoders = [network for network in model.networks.values() if isinstance(network, LanguageModel)]
    exceptions = {"flux2", "ernie"}  # joins three layers of its encoder; the encoder is not declared
    assert name in exceptions or width in {encoder.numbers["d"] for encoder in encoders}
    assert name != "flux2" or width == 3 * encoders[0].numbers["d"]
