"""PEFT's configurations of transformers' adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.transformer_models import make_adapter, make_lora, shrink

from underdrawing.adapters import load_adapter
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
