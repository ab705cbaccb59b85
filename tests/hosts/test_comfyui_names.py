"""Names that users type into nodes: what no file can have is a named error, and links in its folders are followed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.fake_host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    *("a\0b", "x" * 250, "x" * 300, "x" * 5000, "\ud800", "\u202e", "a\nb", "a/" * 2000, "é" * 200, "b/" + "x" * 300),
    *("../x", "/etc/x", "..", "~root", "C:\\x", "con", "", " ", "[output]", "x [input]"),
)
POSES = [{"people": [], "canvas_width": 64, "canvas_height": 64}]
NAMING = {
    *("filename", "filename_prefix", "file", "loras", "text", "presets", "annotator", "weights", "lora", "chart"),
    "recipe",
}
"""Inputs that name files, or hold text in which files are named."""
OUTSIDE: list[str] = []
"""Files outside the host's folders, for the audit hook: what was opened of them."""
WATCHED: list[str] = []


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("base"))
    key, loras = "lora_unet_mid_block_attentions_0_proj_in", made.base / "models" / "loras"
    parts = {"lora_up.weight": torch.zeros(8, 2), "lora_down.weight": torch.zeros(2, 8), "alpha": torch.tensor(2.0)}
    save_file({f"{key}.{part}": tensor for part, tensor in parts.items()}, loras / "a.safetensors")
    save_file({"emb_params": torch.zeros(2, 768)}, made.base / "models" / "embeddings" / "e.safetensors")
    made.enter()
    yield made
    made.leave()


@pytest.fixture(scope="module")
def nodes(host: Host) -> dict[str, Any]:
    folder = host.base / "custom_nodes" / "pack"
    folder.symlink_to(ROOT, target_is_directory=True)
    return host.load(folder).NODE_CLASS_MAPPINGS


def watch(event: str, args: tuple[Any, ...]) -> None:
    if not WATCHED or event not in ("open", "os.rename", "os.mkdir") or not isinstance(args[0], (str, Path)):
        return
    if os.path.abspath(args[0]).startswith(WATCHED[0]):  # noqa: PTH100 - a hook may not look at files
        OUTSIDE.append(f"{event} {args[0]}")


sys.addaudithook(watch)


def value(kind: Any, options: dict[str, Any]) -> Any:
    if isinstance(kind, list):
        return options.get("default", kind[0] if kind else "")
    made: dict[str, Any] = {"IMAGE": torch.rand(1, 16, 16, 3), "MASK": torch.rand(1, 16, 16), "POSE_KEYPOINT": POSES}
    return made.get(kind, options.get("default") or ("text" if kind == "STRING" else options.get("default")))


def error_of(function: Any, values: dict[str, Any]) -> Exception | None:
    try:
        function(**values)
    except Exception as error:  # noqa: BLE001 - the test asks which it is
        return error
    return None


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_a_name_is_taken_or_is_a_named_error(nodes: dict[str, Any], name: str) -> None:
    tried, raw = 0, dict[str, str]()
    for label, node in nodes.items():
        types = node.INPUT_TYPES()
        given = types["required"] | types.get("optional", {})
        kinds = {kind for kind, *_ in given.values() if isinstance(kind, str)}
        for field in NAMING & {key for key, (kind, *_) in given.items() if kind == "STRING"}:
            if kinds & {"MODEL", "CLIP"}:
                continue
            values = {key: value(kind, options[0] if options else {}) for key, (kind, *options) in given.items()}
            getattr(node, "IS_CHANGED", dict)(**values | {field: name})
            error = error_of(getattr(node(), node.FUNCTION), values | {field: name})
            if error is not None and type(error).__module__ != "underdrawing":
                raw[f"{label}.{field}"] = repr(error)
            tried += 1
    assert raw == {}
    assert tried > 8


def test_no_text_reads_or_writes_outside_the_host_s_folders(nodes: dict[str, Any], host: Host, tmp_path: Path) -> None:
    secret, checkpoints = tmp_path / "secret", host.base / "models" / "checkpoints"
    secret.mkdir()
    checkpoints.mkdir(exist_ok=True)
    tensors = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)}
    for path in (secret / "a.safetensors", checkpoints / "a.safetensors", checkpoints / "b.safetensors"):
        save_file(tensors, path)
    (secret / "a.txt").write_text("GRAD_V\tnobody may read this")
    (secret / "a.json").write_text('{"people": []}')
    above = "/".join([".."] * len(host.base.parts)) + str(secret)
    WATCHED.append(str(secret))
    leaked: list[str] = []
    tried = 0
    for label, node in nodes.items():
        types = node.INPUT_TYPES()
        given = types["required"] | types.get("optional", {})
        if {kind for kind, *_ in given.values() if isinstance(kind, str)} & {"MODEL", "CLIP"}:
            continue
        values = {key: value(kind, options[0] if options else {}) for key, (kind, *options) in given.items()}
        values |= {key: f"{'ab'[at]}.safetensors" for at, key in enumerate(("ckpt_a", "ckpt_b")) if key in given}
        for field in [key for key, (kind, *_) in given.items() if kind == "STRING"]:
            for base in (str(secret), above):
                load = f'{{"type": "load", "path": "{base}/a.safetensors"}}'
                for text in (f"{base}/a.safetensors", f"{base}/a.txt", f"{base}/a.json", f"{base}/new.png", load):
                    error = error_of(getattr(node(), node.FUNCTION), values | {field: text})
                    leaked += [f"{label}.{field}: {what}" for what in OUTSIDE]
                    leaked += [f"{label}.{field}: {error}"] if "nobody may" in str(error) else []
                    OUTSIDE.clear()
                    tried += 1
    WATCHED.clear()
    assert leaked == []
    assert sorted(path.name for path in secret.iterdir()) == ["a.json", "a.safetensors", "a.txt"]
    assert tried > 100


def test_a_merge_by_a_recipe_and_its_chart_stay_in_the_host_s_folders(nodes: dict[str, Any], host: Host) -> None:
    checkpoints = host.base / "models" / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    for at, name in enumerate("cd"):
        tensors = {"model.diffusion_model.input_blocks.0.0.weight": torch.full((4, 4, 3, 3), float(at))}
        save_file(tensors, checkpoints / f"{name}.safetensors")
    recipe = (
        '{"type": "apply", "method": "weighted_sum", "params": {"alpha": 0.25}, "inputs": ['
        '{"type": "load", "path": "c.safetensors"}, {"type": "load", "path": "d.safetensors"}]}'
    )
    merge, diff = nodes["UnderdrawingCheckpointMerge"], nodes["UnderdrawingCheckpointDiff"]
    none = dict.fromkeys(("ckpt_a", "ckpt_b", "ckpt_c", "ckpt_d"), "none")
    written = merge().run(**none, filename="cd", recipe=recipe)["result"][0]
    assert written == "cd.safetensors"
    assert float(next(iter(load_file(checkpoints / written).values())).mean()) == 0.25
    diff().run(**none | {"ckpt_a": "c.safetensors", "ckpt_b": written}, chart="charts/cd.png")
    chart = host.base / "output" / "charts" / "cd.png"
    assert chart.is_file()
    chart.write_bytes(b"a picture of the user's")
    with pytest.raises(Exception, match="exists already"):
        diff().run(**none | {"ckpt_a": "c.safetensors", "ckpt_b": written}, chart="charts/cd.png")
    assert chart.read_bytes() == b"a picture of the user's"


def test_linked_folders_are_written_to_and_read_from(nodes: dict[str, Any], host: Host, tmp_path: Path) -> None:
    for folder in ("output", "input"):
        (host.base / folder / "drive").symlink_to(tmp_path, target_is_directory=True)
    saved = nodes["UnderdrawingPosesSave"]().save(POSES, "drive/who")["ui"]["text"][0]
    assert (host.base / "output" / saved).is_file()
    assert list(tmp_path.iterdir())
    name = next(tmp_path.iterdir()).name
    assert nodes["UnderdrawingPosesLoad"]().load(f"drive/{name}")
    loras = host.base / "models" / "loras"
    (tmp_path / "b.safetensors").write_bytes((loras / "a.safetensors").read_bytes())
    (loras / "other drive").symlink_to(tmp_path, target_is_directory=True)
    state = nodes["UnderdrawingLoraStack"].IS_CHANGED(text="<lora:b:1>")
    assert str(loras / "other drive" / "b.safetensors") in state
