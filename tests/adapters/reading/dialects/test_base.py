"""Dotted keys: any adapter's name, wrappers, unknown suffixes; two keys for one tensor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.support.adapter_models import SD15
from torch import Tensor

from underdrawing.adapters import load_adapter
from underdrawing.adapters.modules.spellings import to_ldm_name
from underdrawing.adapters.reading.dialects.base import ModuleKey, find_dotted, split_key, strip_adapter_name
from underdrawing.core.errors import BadWeights

LAYERS = sorted(name for name, module in SD15.modules().items() if module.kind in ("Linear", "Conv2d"))
KEY = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
UP, DOWN = torch.randn(640, 4), torch.randn(4, 768)
WORD = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


@given(
    st.sampled_from(LAYERS),
    WORD,
    st.booleans(),
    st.sampled_from(
        [
            "lora_A.{}.weight",
            "lora_B.{}.weight",
            "lora_B.{}.bias",
            "hada_w1_a.{}",
            "lokr_w2.{}",
            "lora_magnitude_vector.{}",
            "lora_magnitude_vector.{}.weight",
            "oft_R.{}.weight",
            "boft_R.{}",
            "boft_s.{}",
            "ia3_l.{}",
        ]
    ),
)
@settings(max_examples=150, deadline=None, database=None)
def test_any_adapter_name(layer: str, word: str, ldm: bool, pattern: str) -> None:
    name = to_ldm_name(layer, frozenset(SD15.modules())) if ldm else layer
    found = find_dotted("unet", f"{name}.{pattern.format(word)}")
    assert isinstance(found, ModuleKey)
    assert found.module == f"unet.{layer}"
    assert found.suffix.removesuffix(".weight") == pattern.replace(".{}", "").removesuffix(".weight")


@given(st.sampled_from(LAYERS), st.from_regex(r"[a-z_]{2,12}(\.[a-z_]{2,12}){0,2}", fullmatch=True))
@settings(max_examples=150, deadline=None, database=None)
def test_an_unknown_suffix_stays_with_its_module(layer: str, suffix: str) -> None:
    found = find_dotted("unet", f"{layer}.{suffix}")
    assert isinstance(found, ModuleKey)
    assert found.module == f"unet.{layer}"
    assert found.suffix


@pytest.mark.parametrize(
    ("key", "pair"),
    [
        ("a.b.lora_A.weight", ("a.b", "lora_A.weight")),
        ("a.lora_B.x.bias", ("a", "lora_B.bias")),
        ("a.lora.alpha", ("a", "alpha")),
        ("a.oft_R.scaled_oft", ("a", "oft_R.scaled_oft")),
        ("a.lora_A.0", None),
    ],
)
def test_split(key: str, pair: tuple[str, str] | None) -> None:
    assert split_key(key) == pair


def test_a_marker_is_no_adapter_name() -> None:
    assert strip_adapter_name("oft_R.scaled_oft") == "oft_R.scaled_oft"
    assert strip_adapter_name("lora_A.0") == "lora_A.0"


def save(folder: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file({key: tensor.clone() for key, tensor in tensors.items()}, folder / "a.safetensors", metadata)
    return folder / "a.safetensors"


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (f"unet.{KEY}.lora_B.default.weight", f"unet.{KEY}.lora_A.default.weight"),
        (f"unet.base_model.model.{KEY}.lora_B.weight", f"unet.base_model.model.{KEY}.lora_A.weight"),
        (f"base_model.model.unet.{KEY}.lora_B.weight", f"base_model.model.unet.{KEY}.lora_A.weight"),
        (f"{KEY}.lora_B.default.weight", f"{KEY}.lora_A.default.weight"),
        (f"{KEY}.lora_up.weight", f"{KEY}.lora_down.weight"),
        (f"{KEY}.lora.up.weight", f"{KEY}.lora.down.weight"),
        ("input_blocks.4.1.transformer_blocks.0.attn2.to_k.lora_B.weight",
         "input_blocks.4.1.transformer_blocks.0.attn2.to_k.lora_A.weight"),
        (f"unet._orig_mod.{KEY}.lora_B.weight", f"unet._orig_mod.{KEY}.lora_A.weight"),
        (f"lora_unet__orig_mod_{KEY.replace('.', '_')}.lora_up.weight",
         f"lora_unet__orig_mod_{KEY.replace('.', '_')}.lora_down.weight"),
    ],
)  # fmt: skip
def test_spellings_of_one_module(up: str, down: str, tmp_path: Path) -> None:
    adapter = load_adapter(save(tmp_path, {up: UP, down: DOWN}))
    assert adapter.unused == {}
    base = torch.randn(640, 768)
    assert torch.allclose(adapter.modules[f"unet.{KEY}"].apply(base), base + UP @ DOWN, atol=1e-4)


def test_two_adapters_in_one_file_are_refused(tmp_path: Path) -> None:
    tensors = {f"unet.{KEY}.lora_{side}.{name}.weight": torch.randn(UP.shape if side == "B" else DOWN.shape)
               for side in "AB" for name in ("first", "second")}  # fmt: skip
    with pytest.raises(BadWeights, match="two adapters"):
        load_adapter(save(tmp_path, tensors))


def test_a_copy_of_a_tensor_is_harmless(tmp_path: Path) -> None:
    kohya = f"lora_unet_{KEY.replace('.', '_')}"
    tensors = {f"{kohya}.lora_up.weight": UP, f"{kohya}.lora_down.weight": DOWN, f"unet.{KEY}.lora_up.weight": UP}
    adapter = load_adapter(save(tmp_path, tensors))
    assert len(adapter.modules) == 1
    assert "copy" in next(iter(adapter.unused.values()))


def test_a_module_trained_in_full_is_refused(tmp_path: Path) -> None:
    tensors = {f"base_model.model.{KEY}.lora_A.weight": DOWN, f"base_model.model.{KEY}.lora_B.weight": UP}
    for key in ("conv_out.weight", "conv_out.bias", f"{KEY}.bias", f"{KEY}.base_layer.bias"):
        own = {**tensors, "base_model.model.conv_in.lora_A.weight": torch.ones(2, 4, 3, 3),
               "base_model.model.conv_in.lora_B.weight": torch.ones(8, 2, 1, 1),
               f"base_model.model.{key}": torch.ones(4)}  # fmt: skip
        adapter = load_adapter(save(tmp_path, own))
        assert "trained in full" in adapter.unused[f"base_model.model.{key}"]
        assert (f"unet.{KEY}" in adapter.modules) == key.startswith("conv_out")
