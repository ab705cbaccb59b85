"""Folders that PEFT saved, in many configurations, against PEFT's own merge (golden/adapters/make_peft_configs.py)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from underdrawing.adapters import load_adapter
from underdrawing.adapters.adapter import Adapter

FILE = Path(__file__).resolve().parents[1] / "golden" / "adapters" / "peft_configs.safetensors"


@cache
def golden() -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(FILE, "pt") as stream:
        return load_file(FILE), dict(stream.metadata())


def table(title: str, kind: str) -> dict[str, Tensor]:
    start = f"{title}/{kind}/" if kind else f"{title}/"
    return {key.removeprefix(start): value for key, value in golden()[0].items() if key.startswith(start)}


def changed(adapter: Adapter, base: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights and biases that the adapter changes, at strength 1."""
    found: dict[str, Tensor] = {}
    for module, delta in adapter.modules.items():
        name = module.removeprefix("unet.")
        if delta.changes_weight:
            found[f"{name}.weight"] = delta.apply(base[f"{name}.weight"])
        bias = delta.apply_bias(base.get(f"{name}.bias"))
        if bias is not None:
            found[f"{name}.bias"] = bias
    return {name: value for name, value in found.items() if not torch.equal(value, base[name])}


def assert_merged(adapter: Adapter, title: str) -> None:
    base, merged = table("base", ""), table(title, "merged")
    mine = changed(adapter, base)
    assert mine.keys() == merged.keys()
    for name, value in merged.items():
        assert (mine[name] - value).norm() <= 2e-5 * max(value.norm(), 1e-3), name


@pytest.mark.parametrize("title", sorted(golden()[1]))
def test_the_merge_is_peft_s(title: str, tmp_path: Path) -> None:
    save_file(table(title, "file"), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(golden()[1][title])
    adapter = load_adapter(tmp_path)
    assert adapter.unused == {}
    assert not any("no alpha" in note for note in adapter.notes)
    assert_merged(adapter, title)


@pytest.mark.parametrize("name", ["default", "my_style", "0", "weight", "B-2"])
@pytest.mark.parametrize("title", ["lora", "dora", "loha", "lokr", "oft", "boft", "ia3", "lora_bias"])
def test_the_adapter_s_name_may_stand_in_the_keys(title: str, name: str, tmp_path: Path) -> None:
    """As in a state dict that nobody cleaned: `.lora_A.NAME.weight`, `.hada_w1_a.NAME`."""

    def named(key: str) -> str:
        stem, _, last = key.rpartition(".")
        return f"{stem}.{name}.{last}" if last in ("weight", "bias") else f"{key}.{name}"

    save_file(
        {named(key): value for key, value in table(title, "file").items()}, tmp_path / "adapter_model.safetensors"
    )
    (tmp_path / "adapter_config.json").write_text(golden()[1][title])
    adapter = load_adapter(tmp_path)
    assert adapter.unused == {}
    assert_merged(adapter, title)


@pytest.mark.parametrize(
    "prefix", ["unet.", "", "unet.base_model.model.", "_orig_mod.", "module.unet.", "unet._orig_mod."]
)
@pytest.mark.parametrize("part", ["unet.", ""])
@pytest.mark.parametrize("title", ["lora_conv", "rank_pattern", "alpha_anchored", "dora_rslora", "pissa"])
def test_the_same_config_in_the_header_of_diffusers(title: str, prefix: str, part: str, tmp_path: Path) -> None:
    config = {f"{part}{key}": value for key, value in json.loads(golden()[1][title]).items()}
    own = {f"{prefix}{key.removeprefix('base_model.model.')}": value for key, value in table(title, "file").items()}
    save_file(own, tmp_path / "a.safetensors", {"lora_adapter_metadata": json.dumps(config)})
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert adapter.unused == {}
    assert_merged(adapter, title)


def test_modules_that_peft_would_not_apply_are_left_out_with_the_reason(tmp_path: Path) -> None:
    config = json.loads(golden()[1]["lora"])
    save_file(table("lora", "file"), tmp_path / "adapter_model.safetensors")
    for entry, word in (
        ({"exclude_modules": r"mid_block\..*to_q"}, "exclude_modules"),
        ({"exclude_modules": ["attn1.to_q"]}, "exclude_modules"),
        ({"target_modules": ["to_k", "to_out.0"]}, "target_modules"),
        ({"target_modules": r".*\.(to_k|to_out\.0)"}, "target_modules"),
    ):
        (tmp_path / "adapter_config.json").write_text(json.dumps({**config, **entry}))
        adapter = load_adapter(tmp_path)
        assert adapter.unused, entry
        assert all(word in reason for reason in adapter.unused.values())
        assert all("to_q" in key for key in adapter.unused)
        assert len(adapter.modules) + len(adapter.unused) // 2 == 8


def test_the_header_s_targets_are_only_noted_as_in_diffusers(tmp_path: Path) -> None:
    config = {f"unet.{key}": value for key, value in json.loads(golden()[1]["lora"]).items()}
    own = {f"unet.{key.removeprefix('base_model.model.')}": value for key, value in table("lora", "file").items()}
    header = json.dumps({**config, "unet.target_modules": ["to_k"]})
    save_file(own, tmp_path / "a.safetensors", {"lora_adapter_metadata": header})
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert_merged(adapter, "lora")
    assert any("target_modules" in note for note in adapter.notes)
