from __future__ import annotations

import pytest
from tests.support.tiny_diffusion import load_tokenizers, require_diffusers

from underdrawing.checkpoints.layouts import tokenizers

MERGES = "#version: 0.2\ni n\nin g</w>\n"


def test_vocabulary_counts_bytes_words_merges_and_marks() -> None:
    vocabulary = tokenizers.list_vocabulary(MERGES)
    assert len(vocabulary) == 256 + 256 + 2 + 2
    assert [vocabulary[token] for token in ("!", "!</w>", "in", "ing</w>", tokenizers.END)] == [0, 256, 512, 513, 515]


def test_real_vocabulary_is_clips() -> None:
    vocabulary = tokenizers.list_vocabulary(tokenizers._read_merges())
    assert len(vocabulary) == 49408
    assert (vocabulary["a</w>"], vocabulary["photo</w>"], vocabulary["cat</w>"]) == (320, 1125, 2368)


def test_prompts_are_read_as_by_clip() -> None:
    require_diffusers()
    (tokenizer,) = load_tokenizers("sd1")
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]


@pytest.mark.parametrize(("family", "pads"), [("sd1", [49407]), ("sd2", [0]), ("sdxl", [49407, 0])])
def test_windows_are_filled_as_by_each_encoder(family: str, pads: list[int]) -> None:
    require_diffusers()
    rows = [tokenizer("a", padding="max_length").input_ids for tokenizer in load_tokenizers(family)]
    assert [row[-1] for row in rows] == pads
    assert all(len(row) == tokenizers.LENGTH for row in rows)
