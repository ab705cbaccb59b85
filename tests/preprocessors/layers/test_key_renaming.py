from __future__ import annotations

import torch

from underdrawing.preprocessors.layers.key_renaming import join_tensors

PARTS = ("query", "key", "value")


def test_parts_are_joined_in_their_order() -> None:
    table = {"value": 2, "query": 0, "key": 1}
    tensors = {f"a.0.attn.{part}.bias": torch.full((2,), float(number)) for part, number in table.items()}
    joined = join_tensors({**tensors, "b": torch.zeros(1)}, ".attn.", PARTS, "qkv")
    assert joined["a.0.attn.qkv.bias"].tolist() == [0, 0, 1, 1, 2, 2]
    assert set(joined) == {"a.0.attn.qkv.bias", "b"}


def test_parts_without_the_others_are_handed_on() -> None:
    tensors = {"a.attn.query.weight": torch.zeros(2), "a.attn.key.weight": torch.zeros(2)}
    assert join_tensors(tensors, ".attn.", PARTS, "qkv").keys() == tensors.keys()


def test_a_whole_that_is_there_is_not_replaced() -> None:
    tensors = {f"a.attn.{part}.bias": torch.zeros(1) for part in (*PARTS, "qkv")}
    assert join_tensors(tensors, ".attn.", PARTS, "qkv").keys() == tensors.keys()
