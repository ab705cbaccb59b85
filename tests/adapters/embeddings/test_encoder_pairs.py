"""Tensors for each text encoder, by the names and widths that files have; what is not used is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters.embeddings.load import read_embedding

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = torch.randn(4, 768), torch.randn(4, 1280)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("text_encoders_0", "text_encoders_1"), ("text_encoders.0", "text_encoders.1"),
        ("text_encoder", "text_encoder_2"), ("text_encoder_1", "text_encoder_2"), ("text_encoder_0", "text_encoder_1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_numbered_encoders_go_by_their_width(one: str, two: str, turned: bool, tmp_path: Path) -> None:
    tensors = (SECOND, FIRST) if turned else (FIRST, SECOND)
    save_file(dict(zip((one, two), tensors, strict=True)), tmp_path / "style.safetensors")
    embedding = read_embedding(tmp_path / "style.safetensors")
    assert embedding.tokens["style"].keys() == {"text_encoder", "text_encoder_2"}
    assert torch.equal(embedding.tokens["style"]["text_encoder"], FIRST)
    assert torch.equal(embedding.tokens["style"]["text_encoder_2"], SECOND)
    assert embedding.explain_misfit("sdxl") is None


def test_encoders_of_one_width_go_by_their_names(tmp_path: Path) -> None:
    save_file({"text_encoders_0": FIRST, "text_encoders_1": FIRST + 1}, tmp_path / "style.safetensors")
    vectors = read_embedding(tmp_path / "style.safetensors").tokens["style"]
    assert torch.equal(vectors["text_encoder_2"], FIRST + 1)


@pytest.mark.parametrize("other", ["emb_params_out", "emb_params_2", "anything"])
def test_tensors_beside_kohya_s_vectors_are_noted(other: str, tmp_path: Path) -> None:
    save_file({"emb_params": FIRST, other: SECOND}, tmp_path / "style.safetensors")
    (note,) = read_embedding(tmp_path / "style.safetensors").notes
    assert other in note
