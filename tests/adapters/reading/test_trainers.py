"""What a report says of a file's origin: from headers, keys and names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.reading.files import RawFile
from underdrawing.adapters.reading.trainers import count_precisions, find_noise, find_trainer


def make(key: str = "a", name: str = "style", config: dict[str, object] | None = None, **header: str) -> RawFile:
    return RawFile(Path(f"{name}.safetensors"), {key: torch.ones(2)}, metadata=header, config=config or {})


@pytest.mark.parametrize(
    ("file", "trainer"),
    [
        (make(software=json.dumps({"name": "ai-toolkit", "version": "0.1.0"})), "ai-toolkit"),
        (make(ot_branch="master", ss_base_model_version="sdxl_"), "OneTrainer"),
        (make(ss_network_module="networks.lora_flux", ss_sd_scripts_commit_hash="48d368f"), "sd-scripts"),
        (make(ss_network_module="networks.lora_wan"), "sd-scripts or musubi-tuner"),
        (make(ss_network_module="lycoris.kohya", ss_sd_scripts_commit_hash="1"), "sd-scripts, with LyCORIS"),
        (make("double_blocks.0.processor.qkv_lora1.down.weight"), "XLabs' x-flux"),
        (make("double_blocks.0.img_attn.norm.key_norm.scale"), "Black Forest Labs (a control LoRA)"),
        (make("transformer.double_blocks.0.img_attn.qkv.0.lora_up.weight"), "OneTrainer (OMI)"),
        (make("transformer.base_model.model.a.lora_A.weight"), "SimpleTuner"),
        (make("blocks.0.self_attn.q.lora_A.default.weight"), "DiffSynth-Studio"),
        (make("diffusion_model.blocks.0.self_attn.q.magnitude"), "ai-toolkit"),
        (make(lora_adapter_metadata="{}"), "diffusers"),
        (make("base_model.model.a.lora_A.weight", config={"r": 8}), "PEFT"),
        (make(), ""),
    ],
)
def test_the_trainer_is_named(file: RawFile, trainer: str) -> None:
    assert find_trainer(file) == trainer


@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("style_high_noise", "high"),
        ("wan22_LowNoise_v2", "low"),
        ("style-high-noise-000010", "high"),
        ("noise_low", "low"),
        ("highnoise", "high"),
        ("style", ""),
        ("slow noise", ""),
    ],
)
def test_the_expert_is_named_by_the_file(name: str, noise: str) -> None:
    assert find_noise(make(name=name)) == noise
    assert find_noise(make(ss_output_name=name)) == noise


@pytest.mark.parametrize("folder", ["wan_high_noise", "wan_high_noise/transformer"])
def test_a_folder_of_peft_names_the_expert(folder: str, tmp_path: Path) -> None:
    tensors = {"base_model.model.blocks.0.attn1.to_q.lora_A.weight": torch.ones(2, 8)}
    tensors["base_model.model.blocks.0.attn1.to_q.lora_B.weight"] = torch.ones(8, 2)
    (tmp_path / folder).mkdir(parents=True)
    save_file(tensors, tmp_path / folder / "adapter_model.safetensors")
    (tmp_path / folder / "adapter_config.json").write_text('{"r": 2, "lora_alpha": 2}')
    assert load_adapter(tmp_path / "wan_high_noise").noise == "high"


def test_precisions_are_counted_without_single_values() -> None:
    tensors = {"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.ones(3), "c": torch.ones(3), "d": torch.tensor(1.0)}
    assert count_precisions(tensors) == {"float32": 2, "bfloat16": 1}
