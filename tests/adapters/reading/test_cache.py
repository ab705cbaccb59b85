"""An adapter is read again when a file that decides about it was changed, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters.reading.cache import AdapterCache
from underdrawing.core.errors import BadWeights

NAME = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def write_peft(folder: Path, value: float) -> None:
    """A folder as PEFT's save_pretrained writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"base_model.model.{NAME}"
    tensors = {f"{stem}.lora_A.weight": torch.full((2, 320), value), f"{stem}.lora_B.weight": torch.ones(320, 2)}
    save_file(tensors, folder / "adapter_model.safetensors")
    write_config(folder, alpha=2)


def write_config(folder: Path, alpha: int) -> None:
    """Its configuration."""
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": alpha, "target_modules": ["to_q"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def read_weight(cache: AdapterCache, path: Path) -> torch.Tensor:
    """What the adapter adds to its one module, after a run that asked for it."""
    adapter = cache.read(path)
    cache.forget_unused()
    return adapter.modules[f"unet.{NAME}"].apply(torch.zeros(320, 320))


@pytest.mark.parametrize("below", ["", "unet"])
def test_a_changed_file_in_a_folder_is_read_again(tmp_path: Path, below: str) -> None:
    cache = AdapterCache()
    write_peft(tmp_path / below, 1.0)
    before = read_weight(cache, tmp_path)
    write_peft(tmp_path / below, 3.0)
    assert torch.equal(read_weight(cache, tmp_path), 3 * before)


@pytest.mark.parametrize("named", ["", "adapter_model.safetensors"])
def test_a_changed_configuration_is_read_again(tmp_path: Path, named: str) -> None:
    cache = AdapterCache()
    write_peft(tmp_path, 1.0)
    before = read_weight(cache, tmp_path / named)
    write_config(tmp_path, alpha=10)
    assert torch.equal(read_weight(cache, tmp_path / named), 5 * before)


def test_what_stays_the_same_is_read_once(tmp_path: Path) -> None:
    cache = AdapterCache()
    write_peft(tmp_path, 1.0)
    first = cache.read(tmp_path)
    cache.forget_unused()
    (tmp_path / "README.md").write_text("notes")
    assert cache.read(tmp_path) is first


def test_what_no_run_asks_for_is_forgotten(tmp_path: Path) -> None:
    cache = AdapterCache()
    write_peft(tmp_path, 1.0)
    first = cache.read(tmp_path)
    cache.forget_unused()
    cache.forget_unused()
    assert cache.read(tmp_path) is not first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"gone\.safetensors: is not there"):
        AdapterCache().read(tmp_path / "gone.safetensors")
