from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.training.embeddings.start import find_start

TABLE = torch.arange(40, dtype=torch.float32).view(10, 4)


def make_encoder() -> Any:
    table = torch.nn.Embedding(10, 4, _weight=TABLE.clone())
    network = SimpleNamespace(get_input_embeddings=lambda: table)
    return SimpleNamespace(network=network, tokenize=read_numbers)


def read_numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def start(text: str, count: int) -> tuple[torch.Tensor, list[str]]:
    notes: list[str] = []
    return find_start(text, make_encoder(), count, torch.Generator().manual_seed(1), notes.append), notes


@pytest.mark.parametrize(
    ("text", "count", "rows"),
    [("3", 1, [3]), ("3 5", 2, [3, 5]), ("3 5 7", 2, [3, 5]), ("3 5", 4, [3, 3, 5, 5]), ("4 6 8", 4, [4, 4, 6, 8])],
)
def test_words_fill_the_vectors_in_order(text: str, count: int, rows: list[int]) -> None:
    found, notes = start(text, count)
    assert found.equal(TABLE[rows])
    assert bool(notes) == (len(text.split()) != count)
    found.zero_()
    assert TABLE[3, 0] == 12, "a copy"


def test_numbers() -> None:
    assert not start("<zero>", 3)[0].any()
    narrow, wide = start("<rand-0.017>", 500)[0], start("<rand>", 500)[0]
    assert 0.016 < float(narrow.std()) < 0.018
    assert abs(float(wide.std()) / float(TABLE.std()) - 1) < 0.1
    assert start("<rand>", 2)[0].equal(start("<rand>", 2)[0])


@pytest.mark.parametrize("text", ["", "   ", "<rand->", "<rand-x>", "<rand-1e9>", "<one>", "<rand-nan>"])
def test_what_is_no_start(text: str) -> None:
    with pytest.raises(BadParameter):
        start(text, 1)
