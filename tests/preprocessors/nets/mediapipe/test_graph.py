"""The converted networks against LiteRT's outputs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.golden.mediapipe.crops import LOW, crops, sample
from torch.nn import functional

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks.cache import load_network
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights.store import get_store
from underdrawing.preprocessors.nets.mediapipe.graph import Graph, Resize, Sparse
from underdrawing.preprocessors.weights import mediapipe_files

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "mediapipe" / "outputs.npz"
NAMES = tuple(crops())


def record(name: str) -> Any:
    return getattr(mediapipe_files, name.upper())


def outputs(name: str) -> dict[str, torch.Tensor]:
    pictures = torch.from_numpy(crops()[name]).permute(0, 3, 1, 2).float()
    return load_network(record(name), Graph, Placement())(pictures / 127.5 - 1 if LOW.get(name) else pictures / 255)


@pytest.mark.parametrize("name", NAMES)
def test_networks_agree_with_litert(name: str) -> None:
    with np.load(GOLDEN) as golden:
        wanted = {key.partition(".")[2]: golden[key] for key in golden.files if key.startswith(f"{name}.")}
    made = outputs(name)
    assert set(made) == set(wanted)
    for output, expected in wanted.items():
        value = sample(output, made[output].numpy()).reshape(expected.shape)
        assert np.abs(value - expected).max() <= 1e-3 * np.abs(expected).max(), output


@pytest.mark.parametrize("name", NAMES)
def test_files_fit_strictly_and_say_where_they_come_from(name: str) -> None:
    tensors, metadata = get_store().read_tensors(record(name))
    result = Graph(metadata).load_state_dict(tensors, strict=True)
    assert not result.missing_keys
    assert not result.unexpected_keys
    assert metadata["licence"] == "Apache-2.0"
    assert "mediapipe-0.10.21: mediapipe/modules/" in metadata["source"]


def test_the_files_stay_within_their_share_of_the_package() -> None:
    assert sum(record(name).size for name in NAMES) <= 19_500_000


def graph(**entry: Any) -> dict[str, str]:
    step = {"op": "relu", "in": ["v0"], "out": "v1", **entry}
    return {"graph": json.dumps({"input": [1, 2, 2], "outputs": {"y": "v1"}, "ops": [step]})}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"graph": "{"},
        {"graph": "[]"},
        {"graph": json.dumps({"input": [3, 4], "outputs": {}, "ops": []})},
        {"graph": json.dumps({"input": [3, 4, 4], "outputs": {}, "ops": []})},
        graph(op="exec"),
        graph(op="forward"),
        graph(op="conv"),
    ],
)
def test_what_is_no_network_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(BadWeights):
        Graph(metadata)


def test_a_known_operation_runs() -> None:
    x = torch.tensor([[[[-1.0, 2.0], [3.0, -4.0]]]])
    assert Graph(graph())(x)["y"].equal(functional.relu(x))


def test_mask_and_values_must_fit() -> None:
    weight = Sparse([2, 5], 3)
    weight.bits.copy_(torch.tensor([0b10000001, 0b01000000], dtype=torch.uint8))
    weight.values.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert weight.dense().reshape(-1).tolist() == [1, 0, 0, 0, 0, 0, 0, 2, 0, 3]
    other = Sparse([2, 5], 2)
    other.bits.copy_(weight.bits)
    with pytest.raises(BadWeights):
        other.dense()


def test_the_three_rules_of_resizing_differ_as_tensorflow_defines_them() -> None:
    x = torch.tensor([[[[0.0, 4.0]]]])
    made = {
        rule: Resize({"size": [1, 4], "rule": rule})(x).reshape(-1).tolist() for rule in ("legacy", "half", "corners")
    }
    assert made["legacy"] == [0, 2, 4, 4]
    assert made["half"] == [0, 1, 3, 4]
    assert made["corners"] == pytest.approx([0, 4 / 3, 8 / 3, 4])
