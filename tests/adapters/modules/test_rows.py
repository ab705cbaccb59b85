"""Names of transformers' layers in both spellings, and the rows of joined weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.parts import TRANSFORMER
from underdrawing.adapters.modules.rows import Rows, canonical_modules, match_name, original_rows

PREFIX = f"{TRANSFORMER}."
MODELS = list(TRANSFORMER_MODELS)


def shapes_of(model: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a maker's file, by its modules, from the shapes of diffusers' layers."""
    transformer = TRANSFORMER_MODELS[model].transformer
    assert transformer is not None
    found: dict[str, tuple[int, ...]] = {}
    for name, module in transformer.modules().items():
        match = match_name(model, name)
        assert match is not None
        rows = found.get(match.original, (0,))[0]
        found[match.original] = (rows + module.shape[0], *module.shape[1:])
    return found


@pytest.mark.parametrize("model", MODELS)
def test_every_layer_is_rows_of_a_makers_weight_and_back(model: str) -> None:
    transformer = TRANSFORMER_MODELS[model].transformer
    assert transformer is not None
    shapes = shapes_of(model)
    for name, module in transformer.modules().items():
        rows = original_rows(model, PREFIX + name, shapes)
        assert rows is not None
        assert rows.length == module.shape[0]
        assert rows._replace(module=PREFIX + name) in canonical_modules(model, rows.module, shapes[rows.module])


@pytest.mark.parametrize("model", MODELS)
def test_rows_tile_a_joined_weight(model: str) -> None:
    for original, shape in shapes_of(model).items():
        for known in (shape, shape[:1]):
            place = 0
            for rows in canonical_modules(model, original, known):
                assert rows.start == place
                assert rows.length > 0
                place += rows.length
            assert place == shape[0], original


@pytest.mark.parametrize("model", MODELS)
def test_no_two_layers_share_a_spelling(model: str) -> None:
    transformer = TRANSFORMER_MODELS[model].transformer
    assert transformer is not None
    names = list(transformer.modules())
    dotted = [match_name(model, name) for name in names]
    for spelled in (names, [name.replace(".", "_") for name in names]):
        assert [match_name(model, name) for name in spelled] == dotted
        found = [match for name in spelled if (match := match_name(model, name)) is not None]
        assert [match.canonical for match in found if not match.own] == [
            (PREFIX + name,) for name, match in zip(names, found, strict=True) if not match.own
        ]
    originals = list(shapes_of(model))
    for original in originals:
        own, plain = match_name(model, original), match_name(model, original.replace(".", "_"))
        assert own is not None
        assert own == plain
        assert own.original == original


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 999), data=st.data())
def test_any_number_of_a_block_is_read(model: str, number: int, data: st.DataObject) -> None:
    transformer = TRANSFORMER_MODELS[model].transformer
    assert transformer is not None
    names = sorted({layer.name for layer in transformer.layers if "#" in layer.name})
    name = data.draw(st.sampled_from(names)).replace("#", str(number))
    for spelling in (name, name.replace(".", "_")):
        match = match_name(model, spelling)
        assert match is not None
        assert match.canonical == (PREFIX + name,)
        assert str(number) in re.findall(r"\d+", match.original)
        whole = match_name(model, match.original.replace(".", "_"))
        assert whole is not None
        assert PREFIX + name in whole.canonical


def test_a_name_of_another_model_is_none() -> None:
    for name in ("down_blocks.0.attentions.0.proj_in", "double_blocks.img_attn.qkv", "", "single_blocks.0.linear3"):
        assert match_name("flux1", name) is None
        assert match_name("flux1", name.replace(".", "_")) is None
    assert original_rows("flux1", "transformer.layers.0.attention.to_q", {}) is None
    assert canonical_modules("flux1", "layers.0.attention.qkv", (12, 4)) == ()


def test_rows_of_joined_layers_need_a_shape() -> None:
    assert original_rows("flux1", "transformer.transformer_blocks.0.attn.to_q", {}) is None
    assert original_rows("flux1", "transformer.proj_out", {}) == Rows("final_layer.linear")
    assert canonical_modules("flux1", "double_blocks.0.img_attn.qkv", (10,)) == ()


def test_rows_of_odd_widths() -> None:
    """Of models whose feed-forward layers are not four times as wide."""
    found = canonical_modules("flux1", "single_blocks.0.linear1", (31, 8))
    assert [rows.length for rows in found] == [8, 8, 8, 7]
    assert [rows.start for rows in found] == [0, 8, 16, 24]


GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "checkpoints" / "transformer_names.json").read_text("utf-8")
)
BY_TITLE = {model.title: name for name, model in TRANSFORMER_MODELS.items()}


@pytest.mark.parametrize("title", [title for title in GOLDEN if title in BY_TITLE])
def test_rows_are_those_of_diffusers_own_converters(title: str) -> None:
    """Layer for layer, row for row."""
    model, shapes = BY_TITLE[title], GOLDEN[title]["shapes"]
    modules = {key.removesuffix(".weight").removesuffix(".scale"): shape for key, shape in shapes.items()}
    for key, (source, numbers) in GOLDEN[title]["parts"].items():
        layer = re.fullmatch(r"(.+)\.(weight|bias)", key)
        name, parameter = layer.groups() if layer else (key, "")
        match = match_name(model, name)
        assert match is not None, key
        wanted = {"weight": f".{match.parameter}", "bias": ".bias", "": ""}[parameter]
        assert source == f"{match.original}{wanted}"
        rows = original_rows(model, PREFIX + name, modules)
        assert rows is not None
        own = list(range(rows.start, rows.start + rows.length))
        half = len(own) // 2
        assert numbers == (own[half:] + own[:half] if rows.swapped else own), key
