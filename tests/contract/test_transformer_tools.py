"""Merge, resize, convert and extract of adapters and checkpoints of a transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.support.transformer_models import (
    PREFIX,
    join_lora,
    make_adapter,
    make_lora,
    make_weights,
    shrink,
    to_original,
)

from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.modules.rows import match_name
from underdrawing.adapters.tools.combine import merge, resize
from underdrawing.adapters.tools.convert import convert
from underdrawing.adapters.tools.extract import Extraction, extract
from underdrawing.adapters.tools.svd import RankRule

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.deltas.base import Delta

MODULES = shrink("flux1")
WEIGHTS = make_weights(MODULES)
ORIGINAL = to_original("flux1", WEIGHTS)


def adapter_in(folder: Path, deltas: dict[str, Delta], name: str = "style") -> Adapter:
    """With a file behind it, which tools hash."""
    save_file({"a": torch.zeros(1)}, folder / f"{name}.safetensors")
    return make_adapter("flux1", deltas, str(folder / name))


def apply_to_original(deltas: dict[str, Delta], strength: float = 1.0) -> dict[str, Tensor]:
    """Weights in the maker's spelling with a LoRA by canonical names."""
    changed = {
        key: deltas[name].apply(value, strength) if key.endswith("weight") and name in deltas else value
        for key, value in WEIGHTS.items()
        for name in (f"{PREFIX}{key.rpartition('.')[0]}",)
    }
    return to_original("flux1", changed)


def read_changes(path: Path) -> dict[str, Tensor]:
    """Module in the maker's names → change, of a file in kohya's."""
    tensors, made = load_file(path), dict[str, "Tensor"]()
    for key in tensors:
        if key.endswith(".lora_up.weight"):
            stem = key.removesuffix(".lora_up.weight")
            match = match_name("flux1", stem.removeprefix("lora_unet_"))
            assert match is not None
            down = tensors[f"{stem}.lora_down.weight"]
            scale = float(tensors[f"{stem}.alpha"]) / down.shape[0]
            made[match.original] = scale * tensors[key].float() @ down.float()
    return made


def assert_changes(got: dict[str, Tensor], right: dict[str, Tensor], tolerance: float = 1e-4) -> None:
    changes = {
        key.removesuffix(".weight"): right[key] - ORIGINAL[key]
        for key in right
        if key.endswith("weight") and not torch.equal(right[key], ORIGINAL[key])
    }
    assert got.keys() == changes.keys()
    assert all((got[name] - changes[name]).abs().max() <= tolerance for name in got)


@pytest.mark.parametrize("joined", [False, True])
def test_convert_writes_the_maker_s_names(tmp_path: Path, joined: bool) -> None:
    lora = make_lora(MODULES)
    adapter = adapter_in(tmp_path, join_lora("flux1", lora, MODULES) if joined else lora)
    convert(adapter, tmp_path / "out.safetensors")
    assert_changes(read_changes(tmp_path / "out.safetensors"), apply_to_original(lora))


@pytest.mark.parametrize("joined", [False, True])
def test_convert_writes_diffusers_names(tmp_path: Path, joined: bool) -> None:
    lora = make_lora(MODULES)
    adapter = adapter_in(tmp_path, join_lora("flux1", lora, MODULES) if joined else lora)
    convert(adapter, tmp_path / "out.safetensors", "diffusers")
    tensors = load_file(tmp_path / "out.safetensors")
    assert {key.rsplit(".", 2)[0] for key in tensors} == set(lora)
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert "lora_adapter_metadata" in file.metadata()
    name = f"{PREFIX}single_transformer_blocks.1.proj_mlp"
    delta = lora[name]
    assert isinstance(delta, LowRank)
    product = tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
    assert torch.allclose(product, delta.up @ delta.down, atol=1e-5)


def test_merge_adds_joined_and_apart(tmp_path: Path) -> None:
    one, two = make_lora(MODULES, 1), make_lora(MODULES, 2)
    first = adapter_in(tmp_path, join_lora("flux1", one, MODULES), "first")
    second = adapter_in(tmp_path, two, "second")
    report = merge([(first, 0.5), (second, -1.0)], tmp_path / "out.safetensors", dtype="float32")
    assert report.base_model == "flux1"
    changed = {key: value.double() for key, value in apply_to_original(one, 0.5).items()}
    other = apply_to_original(two, -1.0)
    right = {key: (value + other[key].double() - ORIGINAL[key].double()).float() for key, value in changed.items()}
    assert_changes(read_changes(tmp_path / "out.safetensors"), right)


def test_resize_keeps_a_rank_for_every_layer(tmp_path: Path) -> None:
    lora = make_lora(MODULES, rank=3)
    resize(adapter_in(tmp_path, lora), tmp_path / "out.safetensors", RankRule(3), dtype="float32")
    assert_changes(read_changes(tmp_path / "out.safetensors"), apply_to_original(lora))
    ranks = load_file(tmp_path / "out.safetensors")
    assert ranks["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"].shape[0] == 9


@pytest.mark.parametrize("spellings", [("maker", "maker"), ("diffusers", "diffusers"), ("maker", "diffusers")])
def test_extract_takes_checkpoints_in_either_spelling(tmp_path: Path, spellings: tuple[str, str]) -> None:
    lora = {name: delta for name, delta in make_lora(MODULES).items() if "blocks.0" in name}
    tuned = {
        key: lora[name].apply(value) if key.endswith("weight") and name in lora else value
        for key, value in WEIGHTS.items()
        for name in (f"{PREFIX}{key.rpartition('.')[0]}",)
    }
    for path, weights, spelling in zip(("tuned", "base"), (tuned, WEIGHTS), spellings, strict=True):
        table = to_original("flux1", weights, "model.diffusion_model.") if spelling == "maker" else weights
        save_file(table, tmp_path / f"{path}.safetensors")
    how = Extraction(RankRule(8), dtype="float32")
    report = extract(tmp_path / "tuned.safetensors", tmp_path / "base.safetensors", tmp_path / "out.safetensors", how)
    assert report.base_model == "flux1"
    assert_changes(read_changes(tmp_path / "out.safetensors"), apply_to_original(lora), 1e-3)
