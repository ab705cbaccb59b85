"""Layers of transformers, against lists of diffusers' own classes at released sizes; no torch is needed for them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.rows import match_name
from underdrawing.adapters.modules.transformer import Transformer, read_layers

KEYS = Path(__file__).parents[2] / "golden" / "keys" / "transformers.json.gz"
GOLDEN: dict[str, list[list[Any]]] = json.loads(gzip.decompress(KEYS.read_bytes()))


def list_official(model: str) -> dict[str, list[Any]]:
    return {
        template.replace("#", str(number)): [kind, shape, bias]
        for template, kind, shape, bias, numbers in GOLDEN[model]
        for number in (numbers or [""])
    }


def find_transformer(model: str) -> Transformer:
    name, _, variant = model.partition(" ")
    architecture = TRANSFORMER_MODELS[name]
    found = architecture.variants[variant] if variant else architecture.transformer
    assert found is not None
    return found


@pytest.mark.parametrize("model", [model for model in GOLDEN if model.partition(" ")[0] in TRANSFORMER_MODELS])
def test_layers_are_those_of_diffusers(model: str) -> None:
    mine = {name: [m.kind, list(m.shape), m.bias] for name, m in find_transformer(model).modules().items()}
    assert mine == list_official(model)


def test_every_model_and_variant_has_a_list() -> None:
    wanted = {
        f"{name} {variant}".strip() for name, model in TRANSFORMER_MODELS.items() for variant in model.variants or [""]
    }
    assert {model for model in GOLDEN if model.partition(" ")[0] in TRANSFORMER_MODELS} == wanted


@pytest.mark.parametrize("name", TRANSFORMER_MODELS)
def test_every_layer_has_a_makers_name(name: str) -> None:
    transformer = TRANSFORMER_MODELS[name].transformer
    assert transformer is not None
    assert all(match_name(name, module) for module in transformer.modules())
    assert set(transformer.blocks) <= {layer.name.partition(".#")[0] for layer in transformer.layers}


def test_a_tiny_model_has_fewer_blocks() -> None:
    transformer = TRANSFORMER_MODELS["flux1"].transformer
    assert transformer is not None
    tiny = transformer.resize(d=8, m=32, transformer_blocks=1, single_transformer_blocks=2).modules()
    assert tiny["single_transformer_blocks.1.proj_out"].shape == (8, 40)
    assert not [name for name in tiny if name.startswith("transformer_blocks.1.")]


@pytest.mark.parametrize("line", ["a | = | d d | wrong", "a | = | 3*d", "a | =", "a | = | d | if", "a | = | D"])
def test_a_line_that_is_none_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"option|size|unpack|values"):
        read_layers(line)


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS as models; "
        "from underdrawing.adapters.modules.rows import match_name; "
        "[m.transformer.modules() for m in models.values()]; match_name('flux1', 'img_in'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_network_before_anima_has_names_though_diffusers_keeps_it_apart() -> None:
    for name in ("llm_adapter.blocks.5.cross_attn.q_proj", "llm_adapter_blocks_0_mlp_2", "llm_adapter.out_proj"):
        match = match_name("anima", name)
        assert match is not None
        assert match.module.removeprefix("transformer.").replace(".", "_") == name.replace(".", "_")
    anima = TRANSFORMER_MODELS["anima"].transformer
    assert anima is not None
    whole = anima.resize(l=1).modules()
    assert sum(name.startswith("llm_adapter.") for name in whole) == 3 + 6 * (5 + 2 * 6)
