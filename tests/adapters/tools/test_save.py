"""Tools that write adapters refuse what is damaged, and name whatever they leave out."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.tools.combine import merge, resize
from underdrawing.adapters.tools.convert import convert
from underdrawing.adapters.tools.svd import RankRule
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from underdrawing.adapters.tools.save import ToolReport

    Write = Callable[[Any, Path], ToolReport]

D, QKV, GOOD = 48, "lora_unet_double_blocks_0_img_attn_qkv", "lora_unet_double_blocks_0_img_attn_proj"
TOOLS: dict[str, Write] = {
    "convert": lambda adapter, path: convert(adapter, path, "diffusers"),
    "resize": lambda adapter, path: resize(adapter, path, RankRule(1)),
    "merge": lambda adapter, path: merge([(adapter, 1.0)], path),
}


def pair(rows: int, columns: int, up: int = 2, down: int = 2) -> dict[str, torch.Tensor]:
    return {"lora_up.weight": torch.randn(rows, up), "lora_down.weight": torch.randn(down, columns)}


def ones(rows: int) -> dict[str, torch.Tensor]:
    return {name: torch.ones_like(one, dtype=torch.int8) for name, one in pair(rows, D).items()}


LEFT_OUT = {
    "missing up": {"lora_down.weight": torch.randn(2, D)},
    "missing down": {"lora_up.weight": torch.randn(3 * D, 2)},
    "integers": ones(3 * D),
    "alpha of two values": {**pair(3 * D, D), "alpha": torch.ones(2)},
    "alpha alone": {"alpha": torch.tensor(1.0)},
    "magnitude alone": {"dora_scale": torch.ones(3 * D, 1)},
    "two ranks": pair(3 * D, D, 2, 3),
    "no rank": pair(3 * D, D, 0, 0),
    "names changed": {"lora_up.weight": torch.randn(2, 3 * D), "lora_down.weight": torch.randn(D, 2)},
    "rows of two layers": pair(2 * D, D),
    "magnitude of another size": {**pair(3 * D, D), "dora_scale": torch.ones(7, 1)},
    "factors twice": {**pair(3 * D, D), "lora_A.weight": torch.randn(2, D)},
}


def write(folder: Path, module: dict[str, torch.Tensor]) -> Path:
    tensors = {f"{GOOD}.{name}": tensor for name, tensor in pair(D, D).items()}
    tensors |= {f"{QKV}.{name}": tensor for name, tensor in module.items()}
    save_file(tensors, folder / "style.safetensors", {"modelspec.architecture": "flux-1-dev/lora"})
    return folder / "style.safetensors"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("damage", LEFT_OUT)
def test_every_key_that_is_left_out_is_named_with_its_reason(tmp_path: Path, damage: str, tool: str) -> None:
    adapter = load_adapter(write(tmp_path, LEFT_OUT[damage]))
    report = TOOLS[tool](adapter, tmp_path / "out.safetensors")
    assert report.dropped == {f"{QKV}.{name}": adapter.unused[f"{QKV}.{name}"] for name in LEFT_OUT[damage]}
    assert len(adapter.modules) == report.modules == 1
    assert QKV in str(report)
    assert all(reason and reason in str(report) for reason in report.dropped.values())
    assert json.loads(json.dumps(report.to_json()))["dropped"] == report.dropped


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("damage", ["lora_up.weight", "alpha"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(tmp_path: Path, damage: str, value: float, tool: str) -> None:
    module = {**pair(3 * D, D), "alpha": torch.tensor([2.0])}
    module[damage].view(-1)[0] = value
    with pytest.raises(BadWeights, match="NaN or infinite") as error:
        TOOLS[tool](load_adapter(write(tmp_path, module)), tmp_path / "out.safetensors")
    assert "allow" not in (error.value.fix or "")
    assert not (tmp_path / "out.safetensors").exists()


def test_notes_count_only_what_is_used_and_tell_of_scales_that_no_trainer_uses(tmp_path: Path) -> None:
    adapter = load_adapter(write(tmp_path, LEFT_OUT["missing up"]))
    assert any(note.startswith("1 modules hold no alpha") for note in adapter.notes)
    assert not any("scale (alpha / rank)" in note for note in adapter.notes)
    adapter = load_adapter(write(tmp_path, {**pair(3 * D, D), "alpha": torch.tensor(9999999999.0)}))
    assert any("scale (alpha / rank) of up to 5e+09" in note for note in adapter.notes)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_reading_found_is_in_the_report(tmp_path: Path, tool: str) -> None:
    adapter = load_adapter(write(tmp_path, {**pair(3 * D, D), "alpha": torch.tensor(99999.0)}))
    assert "scale (alpha / rank)" in str(TOOLS[tool](adapter, tmp_path / "out.safetensors"))
