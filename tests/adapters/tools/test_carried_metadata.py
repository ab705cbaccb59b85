"""What a file says of itself survives resize and convert, and several files' words are merged by a rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.tools.carried_metadata import MAX_CARRIED, carry_metadata, merge_metadata
from underdrawing.adapters.tools.combine import merge, resize
from underdrawing.adapters.tools.convert import convert
from underdrawing.adapters.tools.svd import RankRule

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.adapters.adapter import Adapter

STEM = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
WORDS = {
    "ss_tag_frequency": json.dumps({"10_cat": {"cat": 3, "hat": 1}}),
    "trained_words": json.dumps(["a cat", "hat"]),
    "modelspec.title": "Cats",
    "modelspec.prediction_type": "v",
    "ss_base_model_version": "sd_v1",
    "ss_network_dim": "8",
    "sshs_model_hash": "0" * 64,
    "underdrawing": json.dumps({"steps": [{"tool": "extract"}]}),
}


def made(folder: Path, name: str, metadata: dict[str, str]) -> Adapter:
    tensors = {f"{STEM}.lora_up.weight": torch.randn(16, 8), f"{STEM}.lora_down.weight": torch.randn(8, 768)}
    save_file(tensors, folder / f"{name}.safetensors", metadata=metadata)
    return load_adapter(folder / f"{name}.safetensors")


def read(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        return file.metadata()


def test_resize_and_convert_carry_what_stays_true(tmp_path: Path) -> None:
    adapter = made(tmp_path, "cats", WORDS)
    resize(adapter, tmp_path / "small.safetensors", RankRule(2))
    convert(adapter, tmp_path / "kohya.safetensors")
    convert(adapter, tmp_path / "diffusers.safetensors", "diffusers")
    convert(adapter, tmp_path / "peft", "peft")
    convert(load_adapter(tmp_path / "peft"), tmp_path / "again.safetensors")
    for name in ("small", "kohya", "diffusers", "peft/adapter_model", "again"):
        metadata = read(tmp_path / f"{name}.safetensors")
        for key in ("ss_tag_frequency", "trained_words", "modelspec.title", "modelspec.prediction_type"):
            assert metadata[key] == WORDS[key], (name, key)
        assert "sshs_model_hash" not in metadata
        tools = [step["tool"] for step in json.loads(metadata["underdrawing"])["steps"]]
        assert tools[0] == "extract"
        assert len(tools) == (3 if name == "again" else 2)
    assert read(tmp_path / "small.safetensors")["ss_network_dim"] == "2"


def test_merge_adds_tags_lists_words_and_names_what_differs(tmp_path: Path) -> None:
    other = WORDS | {
        "ss_tag_frequency": json.dumps({"10_cat": {"cat": 2}, "5_dog": {"dog": 1}}),
        "trained_words": json.dumps(["hat", "a dog"]),
        "modelspec.title": "Dogs",
        "modelspec.prediction_type": "epsilon",
        "ss_output_name": "dogs",
    }
    sources = [(made(tmp_path, "cats", WORDS), 1.0), (made(tmp_path, "dogs", other), 0.5)]
    report = merge(sources, tmp_path / "both.safetensors")
    metadata = read(tmp_path / "both.safetensors")
    assert json.loads(metadata["ss_tag_frequency"]) == {"10_cat": {"cat": 5, "hat": 1}, "5_dog": {"dog": 1}}
    assert json.loads(metadata["trained_words"]) == ["a cat", "hat", "a dog"]
    assert metadata["modelspec.title"] == "Cats + Dogs"
    assert metadata["ss_output_name"] == "dogs"
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert "modelspec.prediction_type" not in metadata
    assert any("modelspec.prediction_type (v, epsilon)" in note for note in report.notes)


@pytest.mark.parametrize("texts", [["a, b", "b, c"], ['["a", "b"]', "c"], ["[broken", "[too"]])
def test_words_that_are_no_json_are_lists_with_commas(texts: list[str]) -> None:
    found, _ = merge_metadata([{"trigger_words": text} for text in texts])
    words = found["trigger_words"].split(", ")
    assert len(words) == len(set(words))


@given(st.lists(st.dictionaries(st.sampled_from([*WORDS, "a", "b"]), st.text(max_size=20)), min_size=1, max_size=4))
def test_any_metadata_is_merged_without_a_fault(sources: list[dict[str, str]]) -> None:
    found, _ = merge_metadata(sources)
    assert set(found) <= {key for source in sources for key in source}
    assert merge_metadata([sources[0]])[0] == carry_metadata(sources[0])


def test_no_more_is_carried_than_a_header_holds() -> None:
    assert set(carry_metadata({"cover": "x" * (MAX_CARRIED + 1), "title": "y"})) == {"title"}
