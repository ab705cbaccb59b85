"""PEFT's configurations of transformers' adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from safetensors import safe_open
from tests.support.transformer_models import make_adapter, make_lora, shrink

from underdrawing.adapters import load_adapter
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.parts import TRANSFORMER
from underdrawing.adapters.modules.transformers.flux1 import ARCHITECTURE as FLUX1
from underdrawing.adapters.modules.transformers.wan import ARCHITECTURE as WAN
from underdrawing.adapters.tools.peft_form import make_peft_config, write_peft

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("naming", ["peft", "diffusers"])
@pytest.mark.parametrize("model", [FLUX1.id, WAN.id])
def test_the_class_of_a_transformer_is_told(tmp_path: Path, model: str, naming: str) -> None:
    adapter = make_adapter(model, make_lora(shrink(model, blocks=1)))
    network = TRANSFORMER_MODELS[model].transformer
    assert network is not None
    path = tmp_path / ("folder" if naming == "peft" else "file.safetensors")
    files = write_peft(path, adapter.modules, {}, folder=naming == "peft", base_model=model)
    config = make_peft_config({"proj_out": next(iter(adapter.modules.values()))}, TRANSFORMER, model)
    assert config["auto_mapping"] == {"base_model_class": network.model_class}
    again = load_adapter(files[0])
    assert again.modules.keys() == adapter.modules.keys()
    assert again.base_model == model


def test_animas_text_conditioner_is_written_as_diffusers_reads_it(tmp_path: Path) -> None:
    """A network of its own there, with its own rank and alpha in the header."""
    anima = TRANSFORMER_MODELS["anima"].transformer
    assert anima is not None
    small = anima.resize(**{"l": 1, "llm_adapter.blocks": 1, "transformer_blocks": 1, "d": 16, "m": 32, "t": 8, "a": 4})
    modules = small.modules()
    adapter = make_adapter("anima", make_lora({n: m for n, m in modules.items() if "attn" in n and m.kind == "Linear"}))
    deltas = {n: replace(d, scale=0.25) if "llm_adapter" in n else d for n, d in adapter.modules.items()}
    (path,) = write_peft(tmp_path / "a.safetensors", deltas, adapter.metadata, folder=False, base_model="anima")
    with safe_open(path, "pt") as file:
        keys, header = list(file.keys()), json.loads(file.metadata()["lora_adapter_metadata"])
    assert {key.partition(".")[0] for key in keys} == {"transformer", "text_conditioner"}
    assert not any("llm_adapter" in key for key in keys)
    assert header["text_conditioner.lora_alpha"] != header["transformer.lora_alpha"]
    again = load_adapter(path)
    assert again.modules.keys() == deltas.keys()
    assert not again.unused
    for name, delta in again.modules.items():
        own = deltas[name]
        assert isinstance(delta, LowRank)
        assert isinstance(own, LowRank)
        assert delta.scale == own.scale
