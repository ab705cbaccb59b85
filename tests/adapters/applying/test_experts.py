"""Two experts of one model: names tell their LoRAs apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.transformer_models import make_lora, make_weights, shrink

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.modules.transformers.wan import ARCHITECTURE as WAN
from underdrawing.adapters.tools.combine import merge
from underdrawing.adapters.tools.convert import convert
from underdrawing.adapters.tools.peft_form import write_peft
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from underdrawing.adapters.adapter import Adapter

MODULES = shrink(WAN.id, blocks=1)
FILE = "diffusion_pytorch_model.safetensors"
WEIGHTS = {"transformer": make_weights(MODULES), "transformer_2": make_weights(MODULES, seed=9)}


def make_pipeline(folder: Path) -> Path:
    for name, table in WEIGHTS.items():
        (folder / name).mkdir(parents=True)
        save_file(table, folder / name / FILE)
    (folder / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    return folder


HIGH, LOW, PLAIN = "style_high_noise", "style_low_noise", "style"


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Adapter]:
    """By name, read from files with these."""
    folder, found = tmp_path_factory.mktemp("loras"), dict[str, "Adapter"]()
    for seed, name in enumerate((HIGH, LOW, PLAIN)):
        path = folder / f"{name}.safetensors"
        write_peft(path, make_lora(MODULES, seed=seed), {}, folder=False)
        found[name] = load_adapter(path)
    return found


def is_changed(folder: Path, part: str, adapter: Adapter | None) -> bool:
    """Whether a network is the one that it was with this adapter and nothing else."""
    found, wanted = load_file(folder / part / FILE), dict[str, Any](WEIGHTS[part])
    for module, delta in adapter.modules.items() if adapter is not None else ():
        key = f"{module.partition('.')[2]}.weight"
        wanted[key] = delta.apply(wanted[key], 0.5)
    return found.keys() == wanted.keys() and all(torch.allclose(found[key], wanted[key], atol=1e-5) for key in found)


@pytest.mark.parametrize("order", [(HIGH, LOW), (LOW, HIGH)])
def test_each_lora_goes_on_its_expert(tmp_path: Path, loras: Mapping[str, Adapter], order: tuple[str, ...]) -> None:
    pipeline, weighted = make_pipeline(tmp_path / "wan"), [(loras[name], 0.5, 0.0) for name in order]
    receipt = bake(pipeline, weighted, tmp_path / "out")
    assert [entry.name for entry in receipt.adapters] == [HIGH, LOW]
    assert all(not entry.skipped for entry in receipt.adapters)
    assert not receipt.notes
    assert is_changed(tmp_path / "out", "transformer", loras[HIGH])
    assert is_changed(tmp_path / "out", "transformer_2", loras[LOW])


def test_one_alone_leaves_the_other_expert(tmp_path: Path, loras: Mapping[str, Adapter]) -> None:
    pipeline = make_pipeline(tmp_path / "wan")
    bake(pipeline, [(loras[LOW], 0.5, 0.0)], tmp_path / "low")
    assert is_changed(tmp_path / "low", "transformer", None)
    assert is_changed(tmp_path / "low", "transformer_2", loras[LOW])
    notes = bake(pipeline, [(loras[PLAIN], 0.5, 0.0)], tmp_path / "plain").notes
    assert is_changed(tmp_path / "plain", "transformer", loras[PLAIN])
    assert is_changed(tmp_path / "plain", "transformer_2", None)
    assert "style does not say for which expert it is" in notes[0]
    assert "transformer_2, the expert of low noise, was not changed" in notes[1]


def test_a_file_takes_no_second_expert(tmp_path: Path, loras: Mapping[str, Adapter]) -> None:
    pipeline = make_pipeline(tmp_path / "wan")
    with pytest.raises(BadWeights, match=r"expert of low noise.*bake wan/transformer_2 into a file"):
        bake(pipeline, [(loras[LOW], 1.0, 0.0)], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("place", "name", "noted"),
    [
        ("transformer", LOW, True),
        ("transformer_2", HIGH, True),
        ("transformer_2", LOW, False),
        ("transformer", PLAIN, False),
    ],
)
def test_the_wrong_expert_is_noted(
    tmp_path: Path, loras: Mapping[str, Adapter], place: str, name: str, *, noted: bool
) -> None:
    receipt = bake(make_pipeline(tmp_path / "wan") / place, [(loras[name], 1.0, 0.0)], tmp_path / "out")
    assert any("is that of" in note for note in receipt.notes) == noted


def test_experts_are_not_merged(tmp_path: Path, loras: Mapping[str, Adapter]) -> None:
    both = [(loras[HIGH], 1.0), (loras[LOW], 1.0)]
    with pytest.raises(BadWeights, match="joined they suit neither"):
        merge(both, tmp_path / "both.safetensors")
    merge(both, tmp_path / "both.safetensors", allow_mismatch=True)
    merge([(loras[HIGH], 1.0), (loras[PLAIN], 1.0)], tmp_path / "sum_high_noise.safetensors")


@pytest.mark.parametrize(("name", "noted"), [("mine", True), ("mine_low_noise", False), ("mine_high_noise", True)])
def test_a_new_name_that_says_no_expert_is_noted(
    tmp_path: Path, loras: Mapping[str, Adapter], name: str, *, noted: bool
) -> None:
    report = convert(loras[LOW], tmp_path / f"{name}.safetensors")
    assert any("expert of low noise" in note for note in report.notes) == noted


def write_keys(path: Path, *prefixes: str) -> Path:
    """diffusers' file of one layer, under each of these prefixes."""
    name, tensors = "blocks.0.attn1.to_q", dict[str, torch.Tensor]()
    for prefix in prefixes:
        tensors |= {
            f"{prefix}{name}.lora_A.weight": torch.randn(2, 8),
            f"{prefix}{name}.lora_B.weight": torch.randn(8, 2),
        }
    save_file(tensors, path, {"ss_base_model_version": "wan2.2"})
    return path


def test_keys_of_the_second_expert_are_refused_with_the_next_step(tmp_path: Path) -> None:
    adapter = load_adapter(write_keys(tmp_path / "a.safetensors", "transformer.", "transformer_2."))
    assert len(adapter.used) == 2
    assert len(adapter.unused) == 2
    assert all("second expert" in reason and "their own file" in reason for reason in adapter.unused.values())
    with pytest.raises(BadWeights, match="second expert"):
        load_adapter(write_keys(tmp_path / "b.safetensors", "transformer_2."))
