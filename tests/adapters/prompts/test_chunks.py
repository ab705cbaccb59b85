"""Windows of 77 tokens and the two ways of weighting, with a tokenizer of one token per character."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from underdrawing.adapters.prompts.chunks import (
    CLIP_L,
    Chunk,
    Special,
    Substitution,
    make_empty_chunk,
    pad_to_longest,
    split_a1111,
    split_comfyui,
)
from underdrawing.adapters.prompts.encoding import Rows, encode_a1111, encode_comfyui, weight_a1111, weight_comfyui
from underdrawing.adapters.prompts.prompt import Fragment, parse_emphasis
from underdrawing.core.errors import BadParameter

SPECIAL = Special(start=1, end=2, pad=2, comma=ord(","))


def tokenize(text: str) -> list[int]:
    return [ord(mark) for mark in text.lower() if not mark.isspace()]


def a1111(
    text: str, embeddings: Mapping[str, int] | None = None, backtrack: int = 20, special: Special = SPECIAL
) -> list[Chunk]:
    return split_a1111(parse_emphasis(text), tokenize, special, embeddings=embeddings, backtrack=backtrack)


def comfyui(text: str, embeddings: Mapping[str, int] | None = None) -> list[Chunk]:
    return split_comfyui(parse_emphasis(text, "comfyui"), tokenize, SPECIAL, embeddings=embeddings)


def words(chunk: Chunk) -> str:
    return "".join(chr(token) for token in chunk.ids if token > 2)


def test_a_short_prompt_is_one_window() -> None:
    (chunk,) = a1111("ab (c:1.5)")
    assert chunk.ids == (1, ord("a"), ord("b"), ord("c"), *[2] * 73)
    assert chunk.weights == (1, 1, 1, 1.5, *[1] * 73)
    assert a1111("") == [make_empty_chunk(SPECIAL)] == comfyui("")


@pytest.mark.parametrize(("length", "windows"), [(0, 1), (1, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_windows_hold_75_tokens(length: int, windows: int) -> None:
    for chunks in (a1111("x" * length), comfyui("x" * length)):
        assert len(chunks) == windows
        assert "".join(map(words, chunks)) == "x" * length


def test_sd2_pads_with_0_behind_the_end() -> None:
    (chunk,) = a1111("ab", special=Special(start=1, end=2, pad=0))
    assert chunk.ids == (1, ord("a"), ord("b"), 2, *[0] * 73)


def test_break_starts_a_window() -> None:
    assert [words(c) for c in a1111("a BREAK b")] == ["a", "b"]
    assert [words(c) for c in a1111("a BREAK BREAK b")] == ["a", "", "b"]
    assert [words(c) for c in a1111("BREAK a")] == ["", "a"]
    assert [words(c) for c in a1111("a BREAK")] == ["a"]
    assert [words(c) for c in a1111("(a BREAK b:1.2)")] == ["abreakb"]


@pytest.mark.parametrize(("before", "moved"), [(54, False), (55, True), (60, True), (73, True)])
def test_text_behind_a_near_comma_moves_to_the_next_window(before: int, moved: bool) -> None:
    first, second = a1111("x" * before + "," + "y" * 40)
    assert len(words(first)) == (before + 1 if moved else 75)
    assert words(first) + words(second) == "x" * before + "," + "y" * 40


def test_no_backtracking_when_it_is_off() -> None:
    assert len(words(a1111("x" * 70 + "," + "y" * 40, backtrack=0)[0])) == 75


def test_a_comma_at_the_end_of_a_window_is_not_remembered() -> None:
    assert [len(words(c)) for c in a1111("x" * 75 + "," + "y" * 76)] == [75, 75, 2]


def test_an_embedding_is_found_by_its_tokens_and_never_split() -> None:
    chunks = a1111("x" * 70 + "EasyNegative z", {"easynegative": 8, "easy": 2})
    assert [words(c) for c in chunks] == ["x" * 70, "z"]
    assert chunks[1].substitutions == tuple(Substitution(1 + i, "easynegative", i) for i in range(8))
    assert chunks[1].ids[:10] == (1, *[0] * 8, ord("z"))


def test_the_longest_name_wins_and_carries_the_weight() -> None:
    (chunk,) = a1111("(abc:1.5) ab", {"ab": 1, "abc": 2})
    assert [(s.position, s.name) for s in chunk.substitutions] == [(1, "abc"), (2, "abc"), (3, "ab")]
    assert chunk.weights[:5] == (1, 1.5, 1.5, 1, 1)


def test_an_embedding_behind_a_comma_moves_with_its_vectors() -> None:
    """A1111 moves the placeholder ids and leaves the vectors in the window before."""
    first, second = a1111("x" * 69 + ",emb" + "y" * 5, {"emb": 3})
    assert (words(first), first.substitutions) == ("x" * 69 + ",", ())
    assert [s.position for s in second.substitutions] == [1, 2, 3]


def test_an_embedding_that_fits_no_window_is_refused() -> None:
    with pytest.raises(BadParameter, match="76 vectors"):
        a1111("emb", {"emb": 76})


def test_comfyui_keeps_a_short_fragment_whole_and_cuts_a_long_one() -> None:
    assert [len(words(c)) for c in comfyui("(" + "x" * 70 + ":1.1)(" + "y" * 7 + ":1.2)")] == [70, 7]
    assert [len(words(c)) for c in comfyui("(" + "x" * 70 + ":1.1)(" + "y" * 8 + ":1.2)")] == [75, 3]


def test_comfyui_embeddings() -> None:
    (chunk,) = comfyui("a embedding:emb, b (embedding:x:1.5) embedding:none c", {"emb": 2, "x": 1})
    assert words(chunk) == "a,bc"
    assert [(s.position, s.name, s.index) for s in chunk.substitutions] == [(2, "emb", 0), (3, "emb", 1), (6, "x", 0)]
    assert chunk.weights[6] == 1.5


def test_a_comfyui_embedding_may_move_or_be_cut() -> None:
    short = comfyui("x" * 70 + " embedding:e", {"e": 7})
    assert [len(c.substitutions) for c in short] == [0, 7]
    long = comfyui("x" * 70 + " embedding:e", {"e": 100})
    assert [len(c.substitutions) for c in long] == [5, 75, 20]
    assert [s.index for c in long for s in c.substitutions] == list(range(100))


pieces = st.lists(
    st.sampled_from(
        ["abcd ", "a,", "x, y", "zed", "ze", "qq", " BREAK ", "(hh:1.2)", "[m]", ", ", "i" * 30, "embedding:zed "]
    ),
    max_size=40,
).map("".join)


@given(pieces, st.sampled_from([0, 5, 20]))
@settings(max_examples=150, deadline=None)
def test_no_token_and_no_vector_is_lost(text: str, backtrack: int) -> None:
    embeddings = {"zed": 3, "ze": 5, "qq": 30}
    chunks = a1111(text, embeddings, backtrack)
    assert all(len(c.ids) == len(c.weights) == 77 and c.ids[0] == 1 and 2 in c.ids for c in chunks)
    assert all(c.ids[s.position] == 0 for c in chunks for s in c.substitutions)
    assert sum(c.ids.count(0) for c in chunks) == sum(len(c.substitutions) for c in chunks)
    for name, count in embeddings.items():
        rows = [s.index for c in chunks for s in c.substitutions if s.name == name]
        assert rows == list(range(count)) * (len(rows) // count)
        assert all({s.index for s in c.substitutions if s.name == name} in (set(), set(range(count))) for c in chunks)


def test_a_batch_gets_equally_many_windows() -> None:
    positive, negative = pad_to_longest([a1111("x" * 160), a1111("y")], SPECIAL)
    assert len(positive) == len(negative) == 3
    assert negative[1:] == [make_empty_chunk(SPECIAL)] * 2
    assert pad_to_longest([]) == []


def encoder(ids: Tensor, rows: Rows) -> Tensor:
    """Stands for CLIP: hidden [B, 77, 4] from the ids, with each row written over its token."""
    hidden = torch.sin(ids[..., None] * torch.tensor([0.1, 0.7, 1.3, 2.1])) + 0.5
    for prompt, places in enumerate(rows):
        for position, vector in places:
            hidden[prompt, position] = vector
    return hidden + torch.arange(77)[:, None] / 100


def test_a1111_weights_scale_and_restore_the_mean() -> None:
    hidden, weights = torch.randn(2, 77, 4) + 1, torch.rand(2, 77)
    kept = weight_a1111(hidden, weights)
    free = weight_a1111(hidden, weights, "no-norm")
    assert torch.equal(free[1, 5], hidden[1, 5] * weights[1, 5])
    torch.testing.assert_close(kept.mean(), hidden.mean())
    torch.testing.assert_close(kept, free * (hidden.mean() / free.mean()))
    assert torch.equal(weight_a1111(hidden, weights, "ignore"), hidden)
    assert weight_a1111(hidden, torch.zeros(2, 77)).isfinite().all()


def test_comfyui_weights_go_through_the_empty_prompt() -> None:
    hidden, empty = torch.randn(2, 77, 4), torch.randn(77, 4)
    weights = torch.ones(2, 77)
    weights[0, 3], weights[1, 4], weights[1, 5] = 1.5, 0.0, -1.0
    out = weight_comfyui(hidden, empty, weights)
    torch.testing.assert_close(out[0, 3], empty[3] + 1.5 * (hidden[0, 3] - empty[3]))
    assert torch.equal(out[1, 4], empty[4])
    torch.testing.assert_close(out[1, 5], 2 * empty[5] - hidden[1, 5])
    assert torch.equal(out[weights == 1], hidden[weights == 1])


def test_encoding_as_a1111() -> None:
    chunks, other = a1111("(ab:1.5) emb " + "x" * 80, {"emb": 2}), a1111("c")
    vectors = {"emb": torch.tensor([[9.0, 8, 7, 6], [5, 4, 3, 2]])}
    out = encode_a1111([chunks, other], encoder, vectors, special=SPECIAL)
    assert out.shape == (2, 154, 4)
    first = encoder(torch.tensor([chunks[0].ids, other[0].ids]), [[(3, vectors["emb"][0]), (4, vectors["emb"][1])], []])
    scaled = first * torch.tensor([chunks[0].weights, other[0].weights])[..., None]
    torch.testing.assert_close(out[:, :77], scaled * (first.mean() / scaled.mean()))
    torch.testing.assert_close(out[1, 77:], encoder(torch.tensor([make_empty_chunk(SPECIAL).ids]), [[]])[0])


def test_encoding_as_comfyui() -> None:
    chunks = comfyui("(ab:1.5) " + "x" * 80)
    out = encode_comfyui(chunks, encoder, special=SPECIAL)
    plain = encoder(torch.tensor([c.ids for c in chunks]), [[], []]).reshape(154, 4)
    empty = encoder(torch.tensor([make_empty_chunk(SPECIAL).ids]), [[]])[0]
    assert out.shape == (1, 154, 4)
    torch.testing.assert_close(out[0, 1], empty[1] + 1.5 * (plain[1] - empty[1]))
    assert torch.equal(out[0, 3:], plain[3:])
    unweighted = comfyui("ab")
    assert torch.equal(
        encode_comfyui(unweighted, encoder, special=SPECIAL)[0], encoder(torch.tensor([unweighted[0].ids]), [[]])[0]
    )


@pytest.mark.parametrize("vectors", [{}, {"emb": torch.zeros(1, 4)}, {"emb": torch.zeros(4)}])
def test_a_missing_vector_is_an_error(vectors: dict[str, Tensor]) -> None:
    with pytest.raises(BadParameter, match="emb"):
        encode_a1111([a1111("emb", {"emb": 2})], encoder, vectors)


def test_the_defaults_are_those_of_clip_l() -> None:
    assert (CLIP_L.start, CLIP_L.end, CLIP_L.pad, CLIP_L.comma) == (49406, 49407, 49407, 267)
    assert split_a1111([Fragment("a", 1.0)], lambda _: [320])[0].ids[:3] == (49406, 320, 49407)
