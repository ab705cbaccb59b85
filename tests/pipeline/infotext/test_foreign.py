"""Pictures of other tools: read, or refused in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from underdrawing.core.errors import UnderdrawingError
from underdrawing.pipeline.infotext.foreign import complete_workflow
from underdrawing.pipeline.infotext.pictures import read_picture_request

if TYPE_CHECKING:
    from pathlib import Path

GRAPH: dict[str, dict[str, Any]] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            **{"seed": 5, "steps": 12, "cfg": 6.5, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0},
            **{"model": ["1", 0], "positive": ["6", 0], "negative": ["7", 0]},
        },
    },
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dogs", "clip": ["1", 1]}},
}


def write(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    Image.new("RGB", (72, 64)).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize("workflow", [None, "{}", "null"])
def test_a_picture_of_comfyui_without_its_page_is_read_too(workflow: str | None, tmp_path: Path) -> None:
    pytest.importorskip("sd_parsers", reason="pip install sd-parsers")
    texts = {"prompt": json.dumps(GRAPH)} | ({} if workflow is None else {"workflow": workflow})
    reading = read_picture_request(write(tmp_path / "a.png", **texts))
    found = reading.request
    assert (found.prompt, found.negative, found.seed, found.steps) == ("a cat", "dogs", 5, 12)
    assert (found.checkpoint, found.width, found.height) == ("a.safetensors", 72, 64)


def test_a_graph_whose_prompt_is_not_found_says_so(tmp_path: Path) -> None:
    pytest.importorskip("sd_parsers", reason="pip install sd-parsers")
    other = {"class_type": "SomebodysOwnNode", "inputs": {"value": 5}}
    reading = read_picture_request(write(tmp_path / "a.png", prompt=json.dumps({**GRAPH, "6": other})))
    assert reading.request.prompt == ""
    assert any("no prompt was found" in note for note in reading.notes)


def test_a_workflow_that_is_there_stays() -> None:
    texts = {"prompt": json.dumps(GRAPH), "workflow": '{"links": []}'}
    complete_workflow(texts)
    assert texts["workflow"] == '{"links": []}'


@pytest.mark.parametrize(
    "texts",
    [
        {"prompt": "{not json"},
        {"prompt": "[1]", "workflow": "[]"},
        {"prompt": '{"1": 5}'},
        {"prompt": json.dumps(GRAPH | {"1": {"inputs": []}})},
        {
            "prompt": json.dumps(
                {"3": {"class_type": "KSampler", "inputs": {**GRAPH["3"]["inputs"], "model": ["3", 0]}}}
            )
        },
        {"invokeai_metadata": "[]"},
        {"sd-metadata": '{"image": 5}'},
        {"Software": "NovelAI", "Comment": "[]"},
        {"parameters": '{"prompt": "a cat", "steps": 30}', "fooocus_scheme": "fooocus"},
        {"Dream": '"a cat" -s50'},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_words_or_read(texts: dict[str, str], tmp_path: Path) -> None:
    assert "a.png" in read_or_refuse(write(tmp_path / "a.png", **texts))


def read_or_refuse(path: Path) -> str:
    try:
        read_picture_request(path)
    except UnderdrawingError as error:
        return str(error)
    return path.name
