from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from torch import nn

from underdrawing.pipeline.training.receipt import Receipt, hash_tensors, list_tensors
from underdrawing.pipeline.training.trainable import ParamGroup, TensorRow, Trainable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Three(Trainable):
    """Three tensors, one of them at a rate of 0, and a layer that is not trained."""

    def __init__(self) -> None:
        self.tensors = {name: nn.Parameter(torch.ones(2)) for name in ("a", "b", "c")}

    def groups(self) -> list[ParamGroup]:
        own = dict(self.tensors)
        return [
            ParamGroup(name="still", tensors={"c": own.pop("c")}, rate=0.0),
            ParamGroup(name="rest", tensors=own, rate=1.0),
        ]

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        return (path,)

    def describe(self) -> list[TensorRow]:
        return [TensorRow(name="layer", shape=(2, 2), moved=False, reason="not among the targets")]


def test_each_tensor_moved_or_says_why_not() -> None:
    three = Three()
    before = hash_tensors(three)
    with torch.no_grad():
        three.tensors["a"][0] += 1
    assert {row.name: (row.moved, row.reason) for row in list_tensors(three, before)} == {
        "a": (True, ""),
        "b": (False, "no gradient reached it"),
        "c": (False, "its learning rate is 0"),
        "layer": (False, "not among the targets"),
    }


def test_a_receipt_is_a_page_and_json() -> None:
    three = Three()
    before = hash_tensors(three)
    data = {
        "pictures": 3,
        "contents": 2,
        "passes": 4,
        "buckets": {"64 x 64": 3},
        "class_pictures": 0,
        "left_out": [["a\x1b.png", "is broken"]],
        "notes": ["1 of another format (.exr)"],
    }
    receipt = Receipt(
        kind="lora",
        base="tiny",
        steps=3,
        loss=0.25,
        options={"rank": 4, "seed": 0},
        given=("rank",),
        data=data,
        tensors=list_tensors(three, before),
        trained=6,
        full=600,
        file_bytes=24,
        full_bytes=1200,
        files=("a.safetensors",),
    )
    text = str(receipt)
    for words in (
        "lora on tiny, 3 steps",
        "3 (2 different)",
        "is broken",
        "6 trained, 1.00% of 600",
        "rank 4",
        "(.exr)",
    ):
        assert words in text
    assert "\x1b" not in text
    assert json.loads(json.dumps(receipt.to_json())) == receipt.to_json()
    assert receipt.to_json()["tensors"][0]["name"] == "c"
