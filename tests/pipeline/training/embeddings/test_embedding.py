from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.tiny_diffusion import make_model, require_diffusers

from underdrawing.adapters.embeddings.load import load_embedding, read_embedding
from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.conditioning.encoders import build_encoders
from underdrawing.pipeline.training.data.texts import CaptionEncoder
from underdrawing.pipeline.training.embeddings.embedding import EmbeddingTraining, check_output, check_token, pull_norms
from underdrawing.pipeline.training.embeddings.params import EmbeddingParams

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.pipeline.models.model import Model

CAPTION = "a blob in the grass"


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model("sd1")


@pytest.fixture(scope="module")
def large() -> Model:
    return make_model("sdxl")


def make_training(model: Model, **params: Any) -> EmbeddingTraining:
    values: dict[str, Any] = {"init": "sphere", **params}
    return EmbeddingTraining(model, "blob", EmbeddingParams(**values))


def compute_loss(model: Model, states: Tensor) -> Tensor:
    """Of a UNet, with fixed noise."""
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    return (model.unet(x, torch.tensor([300]), states, return_dict=False)[0] - x).square().mean()


def test_one_step_is_that_of_the_dense_formulation(model: Model) -> None:
    """Written out: a row of the whole table stands for the word, its gradient is taken, all other rows are put back."""
    training = make_training(model)
    rows = training.rows["text_encoder"]
    encoder = CaptionEncoder(model, training, clip_skip=1, windows=1)
    compute_loss(model, encoder.encode([CAPTION]).hidden).backward()
    text, tokenizer = model.text_encoders[0], model.tokenizers[0]
    word = tokenizer("blob", add_special_tokens=False)["input_ids"]
    assert len(word) == 1
    table = text.get_input_embeddings()
    before = table.weight.detach().clone()
    ids = tokenizer(CAPTION, padding="max_length", max_length=77, return_tensors="pt").input_ids
    ids[ids == model.tokenizers[0].pad_token_id] = 49407
    with torch.no_grad():
        table.weight[word[0]] = rows[0]
    table.weight.requires_grad_(True)
    try:
        compute_loss(model, text(ids).last_hidden_state).backward()
        dense = table.weight.grad
        assert dense is not None
        assert rows.grad is not None
        torch.testing.assert_close(rows.grad[0], dense[word[0]], rtol=1e-4, atol=1e-9)
    finally:
        table.weight.requires_grad_(False)
        table.weight.grad = None
        table.weight.copy_(before)
    reference = torch.nn.Parameter(rows.detach().clone())
    reference.grad = dense[word[0]][None]
    for parameter in (rows, reference):
        torch.optim.AdamW([parameter], lr=1e-2, weight_decay=0.0).step()
    torch.testing.assert_close(rows, reference, rtol=1e-5, atol=1e-6)


def test_all_other_rows_stay_bit_for_bit(large: Model) -> None:
    before = [encoder.get_input_embeddings().weight.clone() for encoder in large.text_encoders]
    training = make_training(large, vectors=2)
    states = CaptionEncoder(large, training, clip_skip=1, windows=1).encode([CAPTION])
    (
        states.hidden.square().mean() + 0 if states.pooled is None else states.hidden.mean() + states.pooled.mean()
    ).backward()
    optimiser = torch.optim.AdamW(training.groups()[0].tensors.values(), lr=0.1)
    optimiser.step()
    training.after_step(1)
    for encoder, table in zip(large.text_encoders, before, strict=True):
        assert encoder.get_input_embeddings().weight.equal(table)
    assert {part: tuple(rows.shape) for part, rows in training.rows.items()} == {
        "text_encoder": (2, 32),
        "text_encoder_2": (2, 64),
    }
    assert all(rows.grad is not None and bool(rows.grad.any()) for rows in training.rows.values())


def test_files_are_those_that_hosts_read(tmp_path: Path, model: Model, large: Model) -> None:
    for name, own, key in (("a", model, "kohya"), ("b", large, "SDXL")):
        training = make_training(own, vectors=3)
        (path,) = training.save(tmp_path / f"{name}.safetensors", {"ss_steps": "7", "modelspec.title": name})
        found = load_embedding(path)
        assert list(found) == [name]
        assert found[name].keys() == training.rows.keys()
        assert all(rows.equal(training.rows[part].detach()) for part, rows in found[name].items())
        facts = read_embedding(path)
        assert facts.format == key
        assert facts.metadata["step"] == 7


def test_lengths_are_pulled_as_cloneofsimo_does(model: Model) -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    pull_norms(rows, 0.4, 0.005)
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8], [0.0, 0.0]]) * (5 + 0.5 * (0.4 - 5)))
    pull_norms(rows, 0.4, 1.0)
    assert abs(float(rows[0].norm()) - 0.4) < 1e-6
    table = build_encoders(model)[0].network.get_input_embeddings().weight
    training = make_training(model, norm_decay=True, rate=1.0, init="<rand-3>")
    training.after_step(1)
    usual = float(table.norm(dim=1).median())
    assert abs(float(training.rows["text_encoder"].detach().norm()) - usual) < 1e-4 * usual


@pytest.mark.parametrize(
    "token",
    [
        "",
        " ",
        "a:b",
        "(cat)",
        "[cat]",
        "a,b",
        "a/b",
        "<lora:x:1>",
        "a|b",
        " cat",
        "<>",
        "!!!",
        "cat!",
        "*",
        "\u202ecat",
        "a" * 300,
    ],
)
def test_words_that_prompts_cannot_hold(model: Model, token: str) -> None:
    with pytest.raises(BadParameter):
        check_token(token, build_encoders(model))


@pytest.mark.parametrize("token", ["cat", "<cat>", "my-cat_2", "my cat", "neg.v2", "猫"])
def test_words_that_prompts_hold(model: Model, token: str) -> None:
    check_token(token, build_encoders(model))


def test_a_word_that_the_model_has_is_told(model: Model) -> None:
    assert any("is a word that the model has already" in text for text in make_training(model).notes)


def test_only_safetensors_is_written(tmp_path: Path) -> None:
    for name in ("a.pt", "a.bin", "a"):
        with pytest.raises(BadParameter):
            check_output(tmp_path / name)
