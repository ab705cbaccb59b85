"""Pipelines' folders: what baking leaves as it is is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file
from tests.support.transformer_models import PREFIX, make_adapter, make_lora, make_weights, shrink

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.modules.transformers.wan import ARCHITECTURE as WAN
from underdrawing.adapters.tools.peft_form import write_peft

if TYPE_CHECKING:
    from pathlib import Path


def test_the_second_expert_of_a_pipeline_is_copied_with_a_note(tmp_path: Path) -> None:
    modules, pipeline = shrink(WAN.id, blocks=1), tmp_path / "wan"
    for name in ("transformer", "transformer_2"):
        (pipeline / name).mkdir(parents=True)
        save_file(make_weights(modules), pipeline / name / "diffusion_pytorch_model.safetensors")
    (pipeline / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    write_peft(tmp_path / "high.safetensors", make_adapter(WAN.id, make_lora(modules)).modules, {}, folder=False)
    adapter = load_adapter(tmp_path / "high.safetensors")
    receipt = bake(pipeline, [(adapter, 1.0, 0.0)], tmp_path / "out")
    assert any(note.startswith("transformer_2, the expert of low noise, was not changed") for note in receipt.notes)
    before, after = (
        load_file(folder / name / "diffusion_pytorch_model.safetensors")
        for folder, name in ((pipeline, "transformer_2"), (tmp_path / "out", "transformer_2"))
    )
    assert all((before[key] == after[key]).all() for key in before)
    alone = bake(pipeline / "transformer", [(adapter, 1.0, 0.0)], tmp_path / "one")
    assert not alone.notes
    assert PREFIX + "blocks.0.attn1.to_q" in alone.adapters[0].applied.values()
