"""Initialisations that change the base weight: computed, or refused with the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.reading.peft_start import find_start
from underdrawing.core.errors import BadWeights


@pytest.mark.parametrize(
    ("value", "start"),
    [
        (True, None),
        (False, None),
        ("gaussian", None),
        ("eva", None),
        ("orthogonal", None),
        ("PiSSA", "pissa"),
        ("olora", "olora"),
    ],
)
def test_what_can_be_computed(value: object, start: str | None) -> None:
    assert find_start({"init_lora_weights": value}) == start


@pytest.mark.parametrize(
    "entry",
    [
        *({"init_lora_weights": name} for name in ("corda", "loftq", "lora_ga", "pissa_niter_16", "tomorrow")),
        {"kasa_config": {"beta": 1}},
        {"use_qalora": True},
        {"alora_invocation_tokens": [1]},
        *({"peft_type": name} for name in ("ADALORA", "XLORA", "PVERA", "TOMORROW")),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_what_cannot_is_refused_with_the_way_out(entry: dict[str, Any], header: bool, tmp_path: Path) -> None:
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    prefix = "unet." if header else "base_model.model."
    tensors = {f"{prefix}{name}.lora_A.weight": torch.ones(2, 8), f"{prefix}{name}.lora_B.weight": torch.ones(8, 2)}
    config = {"r": 2, "lora_alpha": 2, **entry}
    metadata = {"lora_adapter_metadata": json.dumps({f"unet.{k}": v for k, v in config.items()})} if header else None
    save_file(tensors, tmp_path / "adapter_model.safetensors", metadata)
    (tmp_path / "adapter_config.json").write_text(json.dumps({} if header else config))
    with pytest.raises(BadWeights, match="lora extract"):
        load_adapter(tmp_path)


def test_dora_without_its_magnitude_is_refused(tmp_path: Path) -> None:
    stem = "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {f"{stem}.lora_A.weight": torch.ones(2, 8), f"{stem}.lora_B.weight": torch.ones(8, 2)},
        tmp_path / "adapter_model.safetensors",
    )
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 2, "use_dora": True}))
    with pytest.raises(BadWeights, match="magnitude is missing"):
        load_adapter(tmp_path)


def test_the_names_of_known_methods() -> None:
    for name in ("LORA", "lora", "PeftType.LORA", "LOHA", "LOKR", "OFT", "BOFT", "IA3", None):
        assert find_start({"peft_type": name}) is None
