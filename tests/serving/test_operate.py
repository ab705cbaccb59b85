from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import save_file
from tests.support.checkpoint_models import tiny
from tests.support.tiny_loras import write_lora
from tests.support.web_host import Client, WebHost, decode

if TYPE_CHECKING:
    from pathlib import Path

POSE = {
    "people": [{"pose_keypoints_2d": [x for i in range(18) for x in (20 + 3 * i, 30 + i, 1)]}],
    "canvas_width": 96,
    "canvas_height": 64,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for kind in ("lora", "checkpoint"):
        (root / kind).mkdir()
    write_lora(root / "lora" / "a.safetensors")
    write_lora(root / "lora" / "b.safetensors", seed=1)
    for seed, name in enumerate("AB"):
        save_file(tiny(seed), root / "checkpoint" / f"{name}.safetensors")
    return root


@pytest.fixture
def host(root: Path) -> WebHost:
    return WebHost(root)


@pytest.fixture
def client(host: WebHost) -> Client:
    return Client(host)


def operate(client: Client, name: str, **body: Any) -> dict[str, Any]:
    return client.run(f"/operations/{name}", body)


def test_a_receipt_of_each_file(client: Client) -> None:
    found = operate(client, "lora.inspect", inputs={"lora": ["a.safetensors", "b"]})
    assert [one["input"] for one in found["results"]] == ["a.safetensors", "b.safetensors"]
    assert all(one["text"] for one in found["results"])
    (one,) = operate(client, "lora.inspect", inputs={"lora": "a"})["results"]
    assert one["data"]


def test_one_bad_file_does_not_stop_the_others(client: Client, root: Path) -> None:
    (root / "lora" / "bad.safetensors").write_bytes(b"no tensors")
    found = operate(client, "lora.inspect", inputs={"lora": ["bad.safetensors", "a.safetensors"]})
    assert found["state"] == "done"
    assert "error" in found["results"][0]
    assert found["results"][1]["text"]


@pytest.mark.parametrize("loras", ["<lora:a:0.5><lora:b:1>", [{"name": "a", "unet": 0.5}, "b.safetensors"]])
def test_loras_are_tags_or_a_list(client: Client, root: Path, loras: Any) -> None:
    body = {"inputs": {"loras": loras}, "output": "both", "overwrite": True}
    (one,) = operate(client, "lora.merge", **body)["results"]
    assert one["files"] == ["both.safetensors"]
    assert (root / "lora" / "both.safetensors").is_file()


def test_a_merge_lets_the_host_list_the_new_file(client: Client, host: WebHost, root: Path) -> None:
    inputs = {"checkpoints": ["A.safetensors", "B.safetensors"]}
    found = operate(client, "checkpoint.merge", inputs=inputs, output="sub/AB", params={"alpha": 0.25})
    assert found["results"][0]["files"] == ["sub/AB.safetensors"]
    assert found["progress"]["unit"] == "bytes"
    assert host.listed == ["checkpoint"]
    again = operate(client, "checkpoint.merge", inputs=inputs, output="sub/AB", params={"alpha": 0.5})
    assert again["state"] == "failed"
    assert "exists already" in again["failure"]["error"]
    planned = operate(client, "checkpoint.merge", inputs=inputs, params={"dry_run": True})
    assert planned["results"][0]["files"] == []


def test_poses_are_json_both_ways(client: Client) -> None:
    (edited,) = operate(client, "pose.edit", inputs={"poses": POSE}, params={"mirror": True})["results"]
    assert edited["poses"]["canvas_width"] == 96
    (map_,) = operate(client, "pose.render", inputs={"poses": edited["poses"]})["results"]
    assert decode(map_["images"][0]).shape == (64, 96, 3)


def test_texts_and_choices(client: Client) -> None:
    (one,) = operate(client, "prompt.explain", inputs={"prompt": "a (cat:1.2)"})["results"]
    assert "cat" in one["text"]


def test_consent_is_asked_for(client: Client) -> None:
    first = client.get("/weights")["weights"]
    absent = next(one["id"] for one in first if not one["available"])
    answer = client.ask("POST", "/weights/fetch", {"weights": [absent]})
    assert answer.status == 409
    assert "without consent" in answer.content["detail"]
    (listed,) = operate(client, "weights.fetch", inputs={"weights": [absent]})["results"]
    assert "nothing was fetched" in listed["text"]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("lora.inspect", {}, "is needed"),
        ("lora.inspect", {"inputs": {"lora": 3}}, "is no text"),
        ("lora.inspect", {"inputs": {"lora": "nothing"}}, "no lora file"),
        ("lora.inspect", {"inputs": {"file": "a"}}, "there is no input file"),
        ("lora.inspect", {"path": "a"}, "path"),
        ("lora.resize", {"inputs": {"lora": "a"}, "params": {"rank": -1}}, "rank"),
        ("lora.merge", {"inputs": {"loras": [{"name": "a", "strength": 1}]}}, "strength"),
        ("lora.merge", {"inputs": {"loras": 1}}, "is no list"),
        ("pose.render", {"inputs": {"poses": {"x": 1}}}, "OpenPose"),
        ("weights.import", {}, "command line"),
        ("nothing.there", {}, "does not exist"),
    ],
)
def test_faults_are_refused_before_any_work(client: Client, name: str, body: dict[str, Any], words: str) -> None:
    answer = client.ask("POST", f"/operations/{name}", body)
    assert answer.status in (404, 422)
    assert words in answer.content["detail"]
