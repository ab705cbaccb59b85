"""Names that users type into nodes: what no file can have is a named error, and links in its folders are followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support.fake_host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    *("a\0b", "x" * 250, "x" * 300, "x" * 5000, "\ud800", "\u202e", "a\nb", "a/" * 2000, "é" * 200, "b/" + "x" * 300),
    *("../x", "/etc/x", "..", "~root", "C:\\x", "con", "", " ", "[output]", "x [input]"),
)
POSES = [{"people": [], "canvas_width": 64, "canvas_height": 64}]
NAMING = {"filename", "filename_prefix", "file", "loras", "text", "presets", "annotator", "weights"}
"""Inputs that name files, or hold text in which files are named."""


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
