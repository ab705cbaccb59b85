from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.tiny_diffusion import make_model, require_diffusers
from torch import nn

from underdrawing.adapters.modules.parts import TEXT_ENCODER, UNET
from underdrawing.adapters.prompts.prompt_embeddings import EmbeddingFolder
from underdrawing.pipeline.conditioning.encoders import build_encoders
from underdrawing.pipeline.conditioning.texts import TextReader
from underdrawing.pipeline.training.data.texts import CaptionEncoder
from underdrawing.pipeline.training.trainable import ParamGroup, Trainable

require_diffusers()

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from underdrawing.pipeline.models.model import Model

LONG = ", ".join(f"word {number}" for number in range(40))


class Words(Trainable):
    """A word that stands for two vectors, or text encoders that are trained."""

    def __init__(
        self, vectors: Mapping[str, Mapping[str, Tensor]] | None = None, parts: frozenset[str] = frozenset({UNET})
    ) -> None:
        self._vectors, self.parts = vectors or {}, parts

    def groups(self) -> list[ParamGroup]:
        return []

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        return (path,)

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        return self._vectors


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model("sdxl")


def encode(
    model: Model, captions: list[str], windows: int = 1, words: Words | None = None
) -> tuple[CaptionEncoder, Tensor, Tensor]:
    encoder = CaptionEncoder(model, words or Words(), clip_skip=1, windows=windows)
    states = encoder.encode(captions)
    assert states.pooled is not None
    return encoder, states.hidden, states.pooled


def test_captions_are_what_prompts_are_to_the_pipeline(model: Model) -> None:
    reader = TextReader(build_encoders(model), EmbeddingFolder((), {}), "a1111", print, "None")
    encoder, hidden, pooled = encode(model, ["a (red) ball", "", "a (red) ball"])
    assert encoder.frozen
    for row, caption in enumerate(["a (red) ball", "", "a (red) ball"]):
        text = reader.read(caption)
        assert text.pooled is not None
        assert torch.allclose(hidden[row], text.states[0], atol=1e-5)
        assert torch.allclose(pooled[row], text.pooled[0], atol=1e-5)
    assert not hidden.requires_grad


def test_long_captions_are_cut_or_take_windows(model: Model) -> None:
    encoder, hidden, _ = encode(model, [LONG])
    assert hidden.shape[1] == 77
    assert encoder.cut == {LONG}
    encoder, hidden, pooled = encode(model, [LONG, "a ball"], windows=3)
    assert hidden.shape[1] == 2 * 77
    assert encoder.cut == set()
    reader = TextReader(build_encoders(model), EmbeddingFolder((), {}), "a1111", print, "None")
    text = reader.read_together([LONG, "a ball"])
    assert torch.allclose(hidden, torch.cat([one.states for one in text]), atol=1e-5)
    assert torch.allclose(pooled, torch.cat([one.pooled for one in text if one.pooled is not None]), atol=1e-5)


def test_frozen_captions_are_encoded_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, hidden, _ = encode(model, ["a ball"])
    monkeypatch.setattr(encoder, "_compute", None)
    assert torch.equal(encoder.encode(["a ball"]).hidden, hidden)


def test_gradients_reach_vectors_and_the_encoders_that_are_trained(model: Model) -> None:
    widths = {"text_encoder": 32, "text_encoder_2": 64}
    vectors = {"sks": {part: nn.Parameter(torch.randn(2, width)) for part, width in widths.items()}}
    encoder, hidden, _ = encode(model, ["a photo of sks, red", "SKS"], words=Words(vectors))
    assert not encoder.frozen
    hidden.sum().backward()
    assert all(bool(rows.grad.any()) for rows in vectors["sks"].values() if rows.grad is not None)
    assert all(rows.grad is not None for rows in vectors["sks"].values())
    weights = [text.get_input_embeddings().weight.requires_grad_(True) for text in model.text_encoders]
    encode(model, ["a ball"], words=Words(parts=frozenset({UNET, TEXT_ENCODER})))[1].square().sum().backward()
    assert [weight.grad is not None for weight in weights] == [True, False]
    for weight in weights:
        weight.requires_grad_(False)
