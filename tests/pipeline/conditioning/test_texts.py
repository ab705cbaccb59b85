from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest
import torch
from tests.support import tiny_diffusion

from underdrawing.adapters.embeddings.load import save_embedding
from underdrawing.adapters.prompts.prompt_embeddings import EmbeddingFolder
from underdrawing.core.errors import BadParameter, UnknownName
from underdrawing.pipeline.conditioning.encoders import build_encoders
from underdrawing.pipeline.conditioning.texts import TextReader

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model
    from underdrawing.pipeline.request import Weighting

tiny_diffusion.require_diffusers()


def make_reader(
    model: Model, folder: Path | None = None, weighting: Weighting = "a1111", notes: list[str] | None = None
) -> TextReader:
    held = EmbeddingFolder([folder] if folder else [], {})
    return TextReader(build_encoders(model), held, weighting, [].append if notes is None else notes.append)


@pytest.mark.parametrize("weighting", ["a1111", "comfyui"])
def test_a_plain_prompt_is_what_diffusers_makes_of_it(weighting: Weighting) -> None:
    model = tiny_diffusion.make_model("sdxl")
    encoders, tokenizers = model.text_encoders, model.tokenizers
    pipeline = import_module("diffusers").StableDiffusionXLPipeline(
        model.vae, *encoders, *tokenizers, model.unet, import_module("diffusers").DDIMScheduler()
    )
    states, _, pooled, _ = pipeline.encode_prompt("a red ball, grass", do_classifier_free_guidance=False)
    found = make_reader(model, weighting=weighting).read("a red ball, grass")
    torch.testing.assert_close(found.states, states, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.pooled, pooled, rtol=0, atol=1e-5)


@pytest.mark.parametrize("weighting", ["a1111", "comfyui"])
def test_long_prompts_take_more_windows_and_weights_change_them(weighting: Weighting) -> None:
    reader = make_reader(tiny_diffusion.make_model("sd1"), weighting=weighting)
    assert reader.read("").states.shape == (1, 77, 32)
    assert reader.read("word " * 76).states.shape == (1, 154, 32)
    assert not torch.equal(reader.read("a (cat:1.3)").states, reader.read("a cat").states)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("weighting", ["a1111", "comfyui"])
def test_an_embedding_of_a_words_vector_is_the_word(tmp_path: Path, family: str, weighting: Weighting) -> None:
    model = tiny_diffusion.make_model(family)
    encoders = build_encoders(model)
    word = encoders[0].tokenize("cat")[0]
    rows = {e.part: e.network.get_input_embeddings().weight[[word]].detach() for e in encoders}
    save_embedding(tmp_path / "zork.safetensors", {"zork": rows})
    reader = make_reader(model, tmp_path, weighting)
    name = "zork" if weighting == "a1111" else "embedding:zork"
    found, expected = reader.read(f"a {name} here"), reader.read("a cat here")
    torch.testing.assert_close(found.states, expected.states, rtol=0, atol=1e-5)


def test_an_embedding_for_another_model_is_refused_by_name_or_reported(tmp_path: Path) -> None:
    save_embedding(tmp_path / "zork.safetensors", {"zork": {"text_encoder": torch.ones(1, 768)}})
    notes: list[str] = []
    reader = make_reader(tiny_diffusion.make_model("sd1"), tmp_path, notes=notes)
    reader.read("zork")
    assert "stays a word" in notes[0]
    with pytest.raises(BadParameter, match="768 wide"):
        reader.read("embedding:zork")
    with pytest.raises(UnknownName):
        reader.read("embedding:missing")


def test_embeddings_that_stood_in_texts_are_listed(tmp_path: Path) -> None:
    for name in ("zork", "blip"):
        save_embedding(tmp_path / f"{name}.safetensors", {name: {"text_encoder": torch.ones(1, 32)}})
    reader = make_reader(tiny_diffusion.make_model("sd1"), tmp_path)
    reader.read("a zork")
    assert reader.list_embeddings() == {"zork": tmp_path / "zork.safetensors"}
