"""Names of transformers' blocks in lists of block weights."""

from __future__ import annotations

import pytest

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.block_names import find_transformer_block, list_block_layouts, spell_block
from underdrawing.adapters.modules.parts import TRANSFORMER
from underdrawing.adapters.modules.rows import match_name


@pytest.mark.parametrize("name", TRANSFORMER_MODELS)
def test_every_block_has_modules_and_every_module_a_block(name: str) -> None:
    model = TRANSFORMER_MODELS[name]
    transformer = model.transformer
    assert transformer is not None
    found = {find_transformer_block(name, f"{TRANSFORMER}.{module}") for module in transformer.modules()}
    layouts = list_block_layouts(name)
    every = layouts[max(layouts)]
    assert len(set(every)) == len(every)
    assert all(set(names) <= set(every) for names in layouts.values())
    assert any(found == set(names) - set(model.encoder_blocks) for names in layouts.values())
    for module in transformer.modules():
        match = match_name(name, module)
        assert match is not None
        own = find_transformer_block(name, f"{TRANSFORMER}.{match.original}")
        assert own == find_transformer_block(name, f"{TRANSFORMER}.{module}")


def test_flux_has_the_61_blocks_of_the_field() -> None:
    ((count, names),) = list_block_layouts("flux1").items()
    assert count == 61
    assert names[:4] == ("CLIP", "T5", "IN", "D00")
    assert names[21:23] == ("D18", "S00")
    assert names[-2:] == ("S37", "OUT")
    assert find_transformer_block("flux1", "text_encoder.encoder.layers.0.mlp.fc1") == "CLIP"
    assert find_transformer_block("flux1", "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q") == "T5"
    assert find_transformer_block("chroma", "text_encoder.encoder.block.0.layer.0.SelfAttention.q") == "T5"
    assert find_transformer_block("sd3", "text_encoder_3.encoder.block.0.layer.0.SelfAttention.q") == "BASE"


@pytest.mark.parametrize(
    ("text", "name"), [("DOUBLE00", "D00"), ("SINGLE_7", "S07"), ("D3", "D03"), ("OUT", "OUT"), ("IN05", "IN05")]
)
def test_other_spellings_of_blocks(text: str, name: str) -> None:
    assert spell_block(text) == name
