"""What the browser shows is generated: nothing of it is stale, and the example workflows fit the nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.support.workflows import converted
from tools import comfy_pages

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "example_workflows").glob("*.json"))
CORE = {
    # kinds of the core's widgets, in order; a seed is followed by the choice that the browser adds
    "LoadImage": 2,
    "PreviewImage": 0,
    "SaveImage": 1,
    "CheckpointLoaderSimple": 1,
    "CLIPTextEncode": 1,
    "ControlNetLoader": 1,
    "ControlNetApplyAdvanced": 3,
    "EmptyLatentImage": 3,
    "KSampler": 7,
    "VAEDecode": 0,
    "PreviewAny": 0,
}
FOUND = comfy_pages.nodes()


def test_japanese_is_taken_where_there_is_some_and_english_elsewhere() -> None:
    japanese = comfy_pages.Japanese()
    text, word = next(iter(japanese.words.items()))
    assert japanese(text) == word
    assert japanese(f"{text} (Underdrawing)") == f"{word} (Underdrawing)"
    assert japanese("Not translated (Underdrawing)") == "Not translated (Underdrawing)"
    assert (japanese.used, japanese.missing) == ({text}, {"Not translated"})


def test_every_language_has_every_text() -> None:
    english, japanese = (
        json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text("utf-8")) for language in ("en", "ja")
    )
    assert set(english) == set(FOUND)
    assert outline(japanese) == outline(english)


def outline(texts: Any) -> Any:
    """Keys at every depth."""
    return {key: outline(value) for key, value in texts.items()} if isinstance(texts, dict) else None


def test_a_page_shows_every_weights_file_and_the_command_that_fetches_those_of_the_defaults() -> None:
    nodes = {name: node for name, node in FOUND.items() if hasattr(node, "annotator")}
    for name, node in nodes.items():
        text, every = comfy_pages.page(name, node), node.annotator.spec.weights
        assert all(f"* `{weight.id}`" in text for weight in every), name
        assert ("Fetch what this workflow needs" in text) == any(weight.repo for weight in every), name
        assert "underdrawing weights fetch" not in text, "a clone has no such command"
        assert " 0.0 MB" not in text, "a size that is not known is not nothing"
        needed = [weight.id for weight in comfy_pages.needed(node) if weight.repo]
        assert f"weights fetch {' '.join(needed)}" in text or not needed, name
    by_peer = comfy_pages.page("HEDPreprocessor", FOUND["HEDPreprocessor"])
    assert "ControlNetHED.pth` (default)" in by_peer, "the other pack's node runs the other pack's weights"


def test_every_page_is_there_in_japanese() -> None:
    """As much as tools/comfy_ja.json translates: the frame of every page, its first line, and what inputs mean."""
    japanese = comfy_pages.Japanese()
    for name, node in FOUND.items():
        text = (comfy_pages.DOCS / name / "ja.md").read_text("utf-8")
        assert text == comfy_pages.page(name, node, japanese), name
        assert "入力" in text, name
        assert "| input |" not in text, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_an_example_workflow_fits_the_nodes(path: Path) -> None:
    workflow = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for node in workflow["nodes"]:
        if node["type"] in CORE:
            assert len(node["widgets_values"]) == CORE[node["type"]], node["type"]
        else:
            check(node)
    for number, source, slot, target, index, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][index]["link"] == number
        given, taken = nodes[source]["outputs"][slot]["type"], nodes[target]["inputs"][index]["type"]
        assert {given, taken} == {kind} or "*" in (given, taken), (given, taken, kind)


def check(node: dict[str, Any]) -> None:
    """One of our nodes in a workflow."""
    shown = {name: [kind, options] for name, kind, options in comfy_pages.inputs_of(FOUND[node["type"]])}
    required, optional = (list(FOUND[node["type"]].SHOWN.get(part, {})) for part in ("required", "optional"))
    info = {"input_order": {"required": required, "optional": optional}, "input": {"required": shown, "optional": {}}}
    inputs = converted({"nodes": [node], "links": []}, {node["type"]: info})[str(node["id"])]["inputs"]
    for name, value in inputs.items():
        kind, options = shown[name]
        if isinstance(kind, list):
            assert value in kind, f"{node['type']}.{name}"
        elif "min" in options:
            assert options["min"] <= value <= options["max"], f"{node['type']}.{name}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_a_thumbnail_is_small(path: Path) -> None:
    thumbnail = path.with_suffix(".jpg")
    if thumbnail.is_file():
        assert thumbnail.stat().st_size < 100_000
        with Image.open(thumbnail) as picture:
            assert picture.width >= 320
