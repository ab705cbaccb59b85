"""LoRAs baked during a merge give what baking them first and merging then would, but rounded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support import adapter_checkpoints
from tests.support.adapter_models import SD15, lora
from tests.support.checkpoint_models import apply_node, load_node

from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.reading.load import load_adapter
from underdrawing.checkpoints.merging import merge
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path


def test_a_baked_input_is_that_of_bake(tmp_path: Path) -> None:
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for seed, path in enumerate((a, b)):
        save_file({k: t.contiguous() for k, t in adapter_checkpoints.sd15(seed=seed).items()}, path)
    style = tmp_path / "style.safetensors"
    save_file(lora(SD15.modules(), "lora_unet_", seed=2), style)
    adapted = {"type": "adapt", "input": load_node(a), "loras": [{"path": str(style), "unet": 0.5}]}
    report = merge(apply_node("weighted_sum", adapted, b, alpha=0.25), tmp_path / "o.safetensors")
    assert any("style" in note for note in report.notes)
    bake(a, [(load_adapter(style), 0.5, 0.5)], tmp_path / "baked.safetensors")
    first, second, found = (load_file(tmp_path / f"{name}.safetensors") for name in ("baked", "b", "o"))
    for key, tensor in found.items():
        wanted = first[key] if key.startswith("first_stage_model.") else torch.lerp(first[key], second[key], 0.25)
        assert torch.equal(tensor, wanted), key


def test_a_lora_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    a, style = tmp_path / "a.safetensors", tmp_path / "style.safetensors"
    save_file({k: t.contiguous() for k, t in adapter_checkpoints.sd15().items()}, a)
    save_file({"nothing.lora_down.weight": torch.ones(2, 4), "nothing.lora_up.weight": torch.ones(4, 2)}, style)
    adapted = {"type": "adapt", "input": load_node(a), "loras": [{"path": str(style)}]}
    with pytest.raises(BadWeights, match="style"):
        merge(adapted, tmp_path / "o.safetensors")
