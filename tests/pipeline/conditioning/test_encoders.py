from __future__ import annotations

import pytest
import torch
from tests.support import tiny_diffusion

from underdrawing.pipeline.conditioning.encoders import build_encoders, explain_clip_skip, find_layer_count

tiny_diffusion.require_diffusers()

WORDS = [320, 574, 594]


@pytest.mark.parametrize("skip", [1, 2])
def test_the_layer_of_sd1_is_clip_skips_and_normed(skip: int) -> None:
    model = tiny_diffusion.make_model("sd1")
    network = model.text_encoders[0]
    ids = torch.tensor([[49406, *WORDS, *[49407] * 73]])
    hidden = build_encoders(model, skip)[0].encode(ids, [[]]).hidden
    answer = network(ids, output_hidden_states=True)
    norm = next(m for n, m in network.named_modules() if n.endswith("final_layer_norm"))
    expected = norm(answer.hidden_states[-skip]) if skip > 1 else answer.last_hidden_state
    assert torch.equal(hidden, expected)


def test_sdxl_reads_the_layer_before_the_last_without_norm_whatever_the_skip() -> None:
    model = tiny_diffusion.make_model("sdxl")
    for skip in (1, 2):
        for encoder in build_encoders(model, skip):
            ids = torch.tensor([[49406, *WORDS, 49407, *[encoder.special.pad] * 72]])
            answer = encoder.network(ids, output_hidden_states=True)
            found = encoder.encode(ids, [[]])
            assert torch.equal(found.hidden, answer.hidden_states[-2])
            assert (found.pooled is None) == (encoder.part == "text_encoder")
    assert "not used" in explain_clip_skip(model, 2)
    assert explain_clip_skip(model, 1) == ""
    assert find_layer_count(model) == 3


def test_windows_are_padded_with_the_encoders_own_token() -> None:
    assert [e.special.pad for e in build_encoders(tiny_diffusion.make_model("sdxl"))] == [49407, 0]


def test_vectors_stand_in_the_place_of_tokens_for_one_run_only() -> None:
    encoder = build_encoders(tiny_diffusion.make_model("sd1"))[0]
    table = encoder.network.get_input_embeddings().weight
    plain, other = (torch.tensor([[49406, word, *[49407] * 75]]) for word in (320, 574))
    replaced = encoder.encode(plain, [[(1, table[574])]]).hidden
    assert torch.equal(replaced, encoder.encode(other, [[]]).hidden)
    assert not torch.equal(replaced, encoder.encode(plain, [[]]).hidden)
