"""What other programs name and shape embeddings like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from underdrawing.adapters import load_adapter, load_embedding
from underdrawing.adapters.embeddings.load import read_embedding
from underdrawing.adapters.embeddings.vectors import read_vectors
from underdrawing.core.errors import BadWeights

FIRST, SECOND = torch.randn(4, 768), torch.randn(4, 1280)


def saved(folder: Path, table: dict[str, Any]) -> Path:
    if all(isinstance(value, Tensor) for value in table.values()):
        save_file(table, folder / "style.safetensors")
        return folder / "style.safetensors"
    torch.save(table, folder / "style.pt")
    return folder / "style.pt"


@pytest.mark.parametrize(
    ("table", "encoders"),
    [
        ({"emb_params": FIRST[None]}, {"text_encoder"}),
        ({"<style>": FIRST[None]}, {"text_encoder"}),
        ({"string_to_param": {"*": FIRST[None]}}, {"text_encoder"}),
        ({"string_to_param": FIRST.clone()}, {"text_encoder"}),
        ({"string_to_param.*": FIRST}, {"text_encoder"}),
        ({"clip_l": FIRST[None], "clip_g": SECOND[None]}, {"text_encoder", "text_encoder_2"}),
        ({"text_encoders_0": FIRST, "text_encoders_1": SECOND}, {"text_encoder", "text_encoder_2"}),
        ({"text_encoders_0": FIRST[None], "text_encoders_1": SECOND[None]}, {"text_encoder", "text_encoder_2"}),
        (
            {"bundle_emb.a.text_encoders_0": FIRST, "bundle_emb.a.text_encoders_1": SECOND},
            {"text_encoder", "text_encoder_2"},
        ),
        ({"bundle_emb.a.emb_params": FIRST[None]}, {"text_encoder"}),
    ],
)
def test_names_and_shapes_in_use(table: dict[str, Any], encoders: set[str], tmp_path: Path) -> None:
    tokens = load_embedding(saved(tmp_path, table))
    assert len(tokens) == 1
    found = next(iter(tokens.values()))
    assert found.keys() == encoders
    assert torch.equal(found["text_encoder"], FIRST)
    assert "text_encoder_2" not in found or torch.equal(found["text_encoder_2"], SECOND)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("clip_l_out", "OneTrainer"),
        ("t5xxl", "SD3"),
        ("t5", "SD3"),
        ("text_encoders_2", "SD3"),
    ],
)
def test_vectors_for_other_encoders_are_named(more: str, words: str, tmp_path: Path) -> None:
    embedding = read_embedding(saved(tmp_path, {"clip_l": FIRST, "clip_g": SECOND, more: torch.randn(4, 4096)}))
    assert embedding.tokens.keys() == {"style"}
    assert any(more in note and words in note for note in embedding.notes)
    with pytest.raises(BadWeights, match=words):
        load_embedding(saved(tmp_path, {more: torch.randn(4, 4096)}))


@pytest.mark.parametrize("value", [[FIRST], None, {}, 3])
def test_what_a1111_s_table_should_be_is_said(value: object, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"string_to_param.*table of vectors|table of vectors"):
        load_embedding(saved(tmp_path, {"string_to_param": value}))


@pytest.mark.parametrize("table", [{"text_encoders_0": FIRST, "text_encoders_1": SECOND}, {"string_to_param.*": FIRST}])
def test_loaded_as_a_lora_they_are_called_embeddings(table: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="embedding"):
        load_adapter(saved(tmp_path, table))


@given(st.integers(1, 5), st.lists(st.just(1), max_size=3), st.lists(st.just(1), max_size=2))
@settings(max_examples=40, deadline=None, database=None)
def test_axes_of_one_do_not_matter(count: int, before: list[int], after: list[int]) -> None:
    rows = torch.arange(count * 8.0).reshape(count, 8)
    assert torch.equal(read_vectors(rows.reshape(*before, count, *after, 8), "k", Path("a")), rows)
    with pytest.raises(BadWeights, match="shape"):
        read_vectors(torch.ones(2, *after, 3, 8), "k", Path("a"))
