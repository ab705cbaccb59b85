"""Layers of transformers by any name: every spelling of every model, and what no name can mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.transformer_models import shrink

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.rows import match_name
from underdrawing.adapters.reading.dialects.base import ModuleKey, Rejection
from underdrawing.adapters.reading.files import RawFile
from underdrawing.adapters.reading.recognition import Recognition
from underdrawing.adapters.reading.transformer_keys import find_layer, find_transformer_key

MODULES = {name: sorted(shrink(name)) for name in TRANSFORMER_MODELS}


def make_file(architecture: str) -> RawFile:
    file = RawFile(Path("a.safetensors"), {"a": torch.ones(1)})
    file.__dict__["recognition"] = Recognition(architecture)
    return file


FILES = {name: make_file(name) for name in TRANSFORMER_MODELS}


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_spelling_means_its_layer(data: st.DataObject) -> None:
    architecture = data.draw(st.sampled_from(sorted(TRANSFORMER_MODELS)))
    name = data.draw(st.sampled_from(MODULES[architecture]))
    number = data.draw(st.integers(0, 99))
    steps = enumerate(name.split("."))
    name = ".".join(str(number) if step.isdecimal() and place == 1 else step for place, step in steps)
    match = match_name(architecture, name)
    if match is None:
        return
    inside = data.draw(st.sampled_from(("", "transformer.", "net.", "_orig_mod.", "base_model.model.")))
    old, new = data.draw(st.sampled_from(((".", "."), (".", "_"), ("_", "."))))
    file = FILES[architecture]
    for own, module in ((name, match.canonical[0]), (match.original, None)):
        due = module or getattr(match_name(architecture, match.original), "module", "")
        found = find_layer(own.replace(old, new), "alpha", file)
        assert isinstance(found, ModuleKey), own
        assert found.module == due
        found = find_transformer_key(f"{inside}{own}.lora_A.style.weight", file)
        assert isinstance(found, ModuleKey)
        assert (found.module, found.suffix) == (due, "lora_A.weight")


@given(text=st.text(max_size=60), architecture=st.sampled_from(sorted(TRANSFORMER_MODELS)))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_text_is_placed_or_rejected_with_a_reason(text: str, architecture: str) -> None:
    for found in (find_transformer_key(text, FILES[architecture]), find_layer(text, "alpha", FILES[architecture])):
        assert found.module if isinstance(found, ModuleKey) else found.reason.strip()


@pytest.mark.parametrize(
    ("architecture", "key", "module", "suffix"),
    [
        ("flux1", "double_blocks.3.img_attn.qkv.2.lora_up.weight", "transformer_blocks.3.attn.to_v", "lora_up.weight"),
        ("flux1", "single_blocks.3.linear1.3.alpha", "single_transformer_blocks.3.proj_mlp", "alpha"),
        ("flux1", "img_in.proj.alpha", "x_embedder", "alpha"),
        ("flux1", "double_blocks.3.img_attn_qkv.alpha", "double_blocks.3.img_attn.qkv", "alpha"),
        ("flux1", "double_blocks.0.img_attn.norm.key_norm.scale", "transformer_blocks.0.attn.norm_k", "set_weight"),
        ("flux1", "double_blocks.0.img_attn.norm.key_norm.scale.diff", "transformer_blocks.0.attn.norm_k", "diff"),
        ("flux1", "double_blocks.0.img_attn.proj.scale", "transformer_blocks.0.attn.to_out.0", "scale"),
        ("flux1", "img_in.lora_B.bias", "x_embedder", "lora_B.bias"),
        ("flux1", "img_in.weight", "x_embedder", "modules_to_save.weight"),
        ("flux1", "img_in.strange.thing", "x_embedder", "strange.thing"),
        ("flux2", "transformer_blocks.1.attn.to_qkv.lokr_w1", "double_blocks.1.img_attn.qkv", "lokr_w1"),
        ("flux2", "transformer_blocks.1.attn.to_added_qkv.lokr_w1", "double_blocks.1.txt_attn.qkv", "lokr_w1"),
        (
            "hunyuan_video",
            "txt_in.individual_token_refiner.blocks.0.self_attn.qkv.alpha",
            "txt_in.individual_token_refiner.blocks.0.self_attn_qkv",
            "alpha",
        ),
        ("hunyuan_video", "double_blocks.3.img_attn.qkv.alpha", "double_blocks.3.img_attn_qkv", "alpha"),
        ("z_image", "layers.5.attention.to.q.alpha", "layers.5.attention.to_q", "alpha"),
        ("z_image", "layers.5.feed.forward.w1.alpha", "layers.5.feed_forward.w1", "alpha"),
        ("anima", "net.blocks.5.self_attn.q_proj.alpha", "transformer_blocks.5.attn1.to_q", "alpha"),
        ("wan", "blocks.39.cross.attn.k.img.alpha", "blocks.39.attn2.add_k_proj", "alpha"),
    ],
)
def test_unusual_names(architecture: str, key: str, module: str, suffix: str) -> None:
    found = find_transformer_key(key, FILES[architecture])
    assert isinstance(found, ModuleKey)
    assert (found.module, found.suffix) == (f"transformer.{module}", suffix)


@pytest.mark.parametrize(
    "key",
    [
        "double_blocks.0.img_attn.qkv.3.alpha",
        "double_blocks.0.img_attn.nothing.alpha",
        "double_blocks.x.img_attn.qkv.alpha",
        "img_in",
        "",
        ".",
    ],
)
def test_what_no_layer_is_called_is_rejected(key: str) -> None:
    found = find_transformer_key(key, FILES["flux1"])
    if isinstance(found, Rejection):
        assert found.reason
    else:  # a layer with a suffix that nobody knows: its module is refused
        assert found.suffix.startswith("3")
