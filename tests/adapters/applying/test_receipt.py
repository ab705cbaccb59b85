"""The account of every key: applied and skipped are all of them, once each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.support.adapter_models import CLIP, SD15, encoder, unet

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = [
    "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
    "mid_block_attentions_0_proj_in",
    "conv_in",
    "conv_norm_out",
    "up_blocks_1_resnets_0_conv1",
]
SHAPES = {
    "down": (8, 8),
    "mid_": (32, 32, 1, 1),
    "conv_in": (8, 4, 3, 3),
    "conv_norm_out": (8,),
    "up_b": (32, 64, 3, 3),
}


def shape(layer: str) -> tuple[int, ...]:
    return next(s for start, s in SHAPES.items() if layer.startswith(start))


def good(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    if len(size) == 1:
        return {f"{stem}.w_norm": torch.randn(size), f"{stem}.b_norm": torch.randn(size)}
    ones = (1,) * (len(size) - 2)
    pair = {
        f"{stem}.lora_up.weight": torch.randn(size[0], 2, *ones),
        f"{stem}.lora_down.weight": torch.randn(2, *size[1:]),
    }
    return {**pair, f"{stem}.alpha": torch.tensor(1.0)}


def misfit(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return good(stem, (size[0] + 1, *size[1:]))


def long_bias(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return good(stem, size) | {f"{stem}.diff_b": torch.randn(size[0] + 3)}


def broken(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    tensors = good(stem, size)
    first = next(iter(tensors))
    return {**tensors, first: tensors[first].fill_(float("nan"))}


def half(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return dict(list(good(stem, size).items())[1:])


def foreign(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return good(stem.replace("lora_unet_", "lora_unet_not_there_"), size)


def odd(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return good(stem, size) | {f"{stem}.surprise": torch.randn(3)}


def token(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return {f"bundle_emb.{stem}.string_to_param.*": torch.randn(2, 16)}


def text(stem: str, size: tuple[int, ...]) -> dict[str, Tensor]:
    return good("lora_te_text_model_encoder_layers_0_self_attn_q_proj", (16, 16))


MAKERS = [good, misfit, long_bias, broken, half, foreign, odd, token, text]
MODEL, TEXT = unet(SD15), encoder(CLIP)


@given(
    st.lists(st.tuples(st.sampled_from(LAYERS), st.sampled_from(MAKERS)), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([1.0, -0.5, 0.0]),
)
@settings(max_examples=60, deadline=None)
def test_applied_and_skipped_are_all_keys(
    tmp_path_factory: pytest.TempPathFactory, mixture: list[tuple[str, object]], with_text: bool, strength: float
) -> None:
    tensors: dict[str, Tensor] = {}
    for layer, maker in mixture:
        tensors |= maker(f"lora_unet_{layer}", shape(layer))  # type: ignore[operator]
    path = tmp_path_factory.mktemp("mix") / "mix.safetensors"
    save_file(tensors, path)
    before = {name: parameter for model in (MODEL, TEXT) for name, parameter in model.named_parameters()}
    try:
        adapter = load_adapter(path)
    except BadWeights:
        return  # nothing in it is understood
    patcher = Patcher(unet=MODEL, text_encoder=TEXT if with_text else None)
    receipt = patcher.set([(adapter, strength, strength), (adapter, 1.0, 1.0)], allow_empty=True)
    patcher.clear()
    for entry in receipt.adapters:
        assert entry.applied.keys() | entry.skipped.keys() == tensors.keys()
        assert not entry.applied.keys() & entry.skipped.keys()
        assert entry.total == len(tensors)
        assert set(entry.applied.values()) <= set(adapter.modules)
        assert all(reason.strip() for reason in entry.skipped.values())
    assert receipt.applied + receipt.skipped == 2 * len(tensors)
    json.dumps(receipt.to_json())
    assert "mix" in str(receipt)
    after = {name: parameter for model in (MODEL, TEXT) for name, parameter in model.named_parameters()}
    assert before.keys() == after.keys()
    assert all(after[name] is parameter for name, parameter in before.items())
