from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.tiny_diffusion import make_model, require_diffusers

from underdrawing.adapters.embeddings.load import load_embedding, save_embedding
from underdrawing.adapters.reading.load import load_adapter
from underdrawing.core.errors import BadParameter
from underdrawing.core.tensor_files.safetensors_io import read_safetensors
from underdrawing.pipeline.training.embeddings.embedding import EmbeddingTraining
from underdrawing.pipeline.training.embeddings.pivotal import (
    PivotalTraining,
    check_word,
    load_word,
    name_embedding,
    share_cache,
)
from underdrawing.pipeline.training.embeddings.pivotal_params import PivotalParams, make_word_params
from underdrawing.pipeline.training.networks.network import LowRankNetwork

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model

PARAMS = PivotalParams(
    targets="cross-attn", include="mid_block", rank=2, vectors=2, epochs=3.0, weight_decay=0.1, steps=5, word_steps=7
)


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model("sd1")


def make_training(model: Model, *, learn_word: bool = False) -> PivotalTraining:
    network = LowRankNetwork(model, PARAMS, rate=1e-4)
    return PivotalTraining(network, EmbeddingTraining(model, "blob", make_word_params(PARAMS)), learn_word=learn_word)


def test_the_first_stage_has_its_own_steps_and_rate() -> None:
    own = make_word_params(PARAMS)
    assert (own.steps, own.epochs, own.rate, own.weight_decay, own.vectors) == (7, 0.0, 5e-4, 0.0, 2)
    assert own.norm_decay


def test_the_word_travels_in_the_file_and_beside_it(tmp_path: Path, model: Model) -> None:
    training = make_training(model)
    rows = training.word.rows["text_encoder"].detach()
    files = training.save(tmp_path / "style.safetensors", {"ss_steps": "5"})
    assert [path.name for path in files] == ["style.safetensors", "blob.safetensors"]
    assert read_safetensors(files[0])["bundle_emb.blob.string_to_param.*"].equal(rows), "A1111's key"
    adapter = load_adapter(files[0])
    assert adapter.embeddings["blob"]["text_encoder"].equal(rows)
    assert not adapter.unused
    assert len(adapter.modules) == len(training.network.layers)
    assert load_embedding(files[0])["blob"]["text_encoder"].equal(rows)
    assert load_embedding(files[1])["blob"]["text_encoder"].equal(rows)
    training.remove()


def test_files_for_diffusers_have_the_word_beside_them_only(tmp_path: Path, model: Model) -> None:
    network = LowRankNetwork(model, PARAMS, rate=1e-4)
    word = EmbeddingTraining(model, "blob", make_word_params(PARAMS))
    training = PivotalTraining(network, word, bundle=False)
    files = training.save(tmp_path / "style.safetensors", {})
    assert not any(key.startswith("bundle_emb") for key in read_safetensors(files[0]))
    assert list(load_embedding(files[1])) == ["blob"]
    training.remove()


def test_two_text_encoders_have_their_keys(tmp_path: Path) -> None:
    large = make_model("sdxl")
    training = make_training(large)
    (path, _) = training.save(tmp_path / "style.safetensors", {})
    found = load_adapter(path).embeddings["blob"]
    assert {part: rows.shape[1] for part, rows in found.items()} == {"text_encoder": 32, "text_encoder_2": 64}
    assert {"bundle_emb.blob.clip_l", "bundle_emb.blob.clip_g"} <= read_safetensors(path).keys()
    training.remove()


def test_the_word_stays_unless_it_is_to_be_trained_on(model: Model) -> None:
    still = make_training(model)
    assert "vectors" not in [group.name for group in still.groups()]
    assert not still.word.rows["text_encoder"].requires_grad
    assert [row.reason for row in still.describe() if row.name.startswith("blob.")] == [
        "the word stays as the first stage made it (--continue-inversion trains it on)"
    ]
    still.remove()
    moving = make_training(model, learn_word=True)
    assert "vectors" in [group.name for group in moving.groups()]
    moving.remove()


def test_the_second_stage_has_the_vectors_of_the_first(tmp_path: Path, model: Model) -> None:
    rows = torch.randn(2, 32)
    path = save_embedding(tmp_path / "blob.safetensors", {"blob": {"text_encoder": rows}})
    assert load_word(model, "blob", PARAMS, path).rows["text_encoder"].detach().equal(rows)


def test_latents_are_shared_and_words_keep_apart(tmp_path: Path) -> None:
    (tmp_path / "a" / "cache" / "x").mkdir(parents=True)
    (tmp_path / "a" / "cache" / "x" / "one").write_bytes(b"1")
    for _ in range(2):
        share_cache(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "cache" / "x" / "one").read_bytes() == b"1"
    assert name_embedding(tmp_path / "cat.safetensors", "<cat>").name == "cat-embedding.safetensors"
    with pytest.raises(BadParameter, match="dot"):
        check_word("a.b", PARAMS, tmp_path)
