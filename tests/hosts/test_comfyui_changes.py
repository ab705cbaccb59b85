"""When ComfyUI runs a node again: files that it reads have changed, or what it wrote is gone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.hosts.test_comfyui_names import POSES, host, nodes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_host import Host

__all__ = ["host", "nodes"]


def folder(host: Host, kind: str) -> Path:
    return host.base / "models" / kind


@pytest.mark.parametrize(
    ("name", "kind", "file", "given"),
    [
        ("UnderdrawingLoraLoader", "loras", "new.safetensors", {"lora_name": "new.safetensors"}),
        ("UnderdrawingLoraBlocks", "loras", "new.safetensors", {"lora_name": "new.safetensors"}),
        ("UnderdrawingLoraStack", "loras", "new.safetensors", {"text": "x <lora:new:1>"}),
        ("UnderdrawingLoraStack", "loras", "new.safetensors", {"text": None}),
        ("UnderdrawingEncodeA1111", "embeddings", "new.safetensors", {"text": "a New dog"}),
        ("UnderdrawingEncodeA1111", "embeddings", "new.safetensors", {"text": None}),
        ("UnderdrawingLoraInspect", "loras", "new.safetensors", {"lora_name": "new.safetensors"}),
        ("UnderdrawingLoraMerge", "loras", "new.safetensors", {"loras": "<lora:new:1>", "filename": "merged"}),
        ("UnderdrawingLoraConvert", "loras", "new.safetensors", {"lora_name": "new.safetensors", "filename": "c"}),
        ("UnderdrawingEmbeddingInspect", "embeddings", "new.safetensors", {"embedding": "new.safetensors"}),
        ("UnderdrawingPosesLoad", "", "new.json", {"file": "new.json"}),
    ],
)
def test_a_file_that_is_replaced_or_removed_changes_its_nodes(
    nodes: dict[str, Any], host: Host, name: str, kind: str, file: str, given: dict[str, Any]
) -> None:
    def state() -> Any:
        return nodes[name].IS_CHANGED(**given)

    path = (folder(host, kind) if kind else host.base / "input") / file
    path.write_bytes(b"one")
    first = state()
    assert state() == first
    path.write_bytes(b"other")
    assert state() != first
    second = state()
    path.unlink()
    assert state() != second


def test_an_embedding_that_a_prompt_does_not_name_changes_nothing(nodes: dict[str, Any], host: Host) -> None:
    before = nodes["UnderdrawingEncodeA1111"].IS_CHANGED(text="a dog")
    path = folder(host, "embeddings") / "quite another.safetensors"
    path.touch()
    assert nodes["UnderdrawingEncodeA1111"].IS_CHANGED(text="a dog") == before
    path.unlink()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("UnderdrawingPosesSave", {"poses": POSES, "filename_prefix": "gone", "unique_id": "3"}),
        ("SavePoseKpsAsJsonFile", {"pose_kps": POSES, "filename_prefix": "gone too", "unique_id": "4"}),
        ("UnderdrawingSaveValues", {"values": torch.rand(2, 8, 8), "filename_prefix": "values", "unique_id": "5"}),
        ("UnderdrawingLoraConvert", {"lora_name": "a.safetensors", "filename": "converted"}),
    ],
)
def test_a_node_writes_again_what_was_deleted(
    nodes: dict[str, Any], host: Host, name: str, given: dict[str, Any]
) -> None:
    node = nodes[name]
    linked = {key: None if key in ("poses", "pose_kps", "values") else one for key, one in given.items()}

    def written() -> list[Path]:
        places = [host.base / "output", folder(host, "loras")]
        return [
            p for place in places for p in place.rglob("*") if str(given.get("filename_prefix", "converted")) in p.name
        ]

    before = node.IS_CHANGED(**linked)
    getattr(node(), node.FUNCTION)(**given)
    assert node.IS_CHANGED(**linked) == before, "a node that has just run is not changed"
    written()[0].unlink()
    after = node.IS_CHANGED(**linked)
    assert after != before
    getattr(node(), node.FUNCTION)(**given)
    assert node.IS_CHANGED(**linked) == after, "one loss, one run"
    assert written()


def test_what_lies_outside_the_graph_is_asked_every_time(nodes: dict[str, Any]) -> None:
    assert math.isnan(nodes["UnderdrawingFetchWeights"].IS_CHANGED())
    assert math.isnan(nodes["UnderdrawingFetchWorkflow"].IS_CHANGED())


def test_every_node_that_takes_a_file_says_when_it_changed(nodes: dict[str, Any]) -> None:
    names = {"lora_name", "ckpt_name", "embedding", "loras", "filename", "filename_prefix", "file"}
    reading = {
        name
        for name, node in nodes.items()
        if not hasattr(node, "annotator")
        and names & {field for part in ("required", "optional") for field in node.INPUT_TYPES().get(part, {})}
    }
    assert len(reading) > 8
    assert {name for name in reading if not hasattr(nodes[name], "IS_CHANGED")} == set()
