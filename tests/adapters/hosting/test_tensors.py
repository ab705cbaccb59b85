from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.fake_networks import DOWN, LAYERS, WIDTH, draw_factors, spell
from tests.support.transformer_models import write_attention

from underdrawing.adapters.hosting.model import HostModel
from underdrawing.adapters.hosting.tags import read_host_tag
from underdrawing.adapters.hosting.tensors import choose_tensors

SD1 = HostModel("sd15")
WEIGHT = torch.ones(WIDTH, WIDTH)


def list_unmatched(tensors: dict[str, Any]) -> list[str]:
    return [key for key in tensors if key.partition(".")[0] not in LAYERS]


def find_weights(name: str) -> tuple[torch.Tensor | None, None]:
    return (WEIGHT if name in LAYERS else None), None


def choose(path: Path, tag: str = "") -> Any:
    read = read_host_tag("lora", tag.split(":")) if tag else None
    return choose_tensors(path, read, SD1, lambda: load_file(path), list_unmatched, find_weights)


def test_a_file_of_the_hosts_own_is_what_the_host_reads(tmp_path: Path) -> None:
    path, tensors = tmp_path / "x.safetensors", spell(draw_factors(), "kohya")
    save_file(tensors, path)
    held, receipt = choose(path, "x:1:start=0.5")
    assert held.keys() == tensors.keys()
    assert (receipt.converted, receipt.modules) == (False, 5)


@pytest.mark.parametrize("form", ["diffusers", "peft", "processor"])
def test_foreign_forms_become_the_twins_tensors(tmp_path: Path, form: str) -> None:
    save_file(spell(draw_factors(), form), tmp_path / "x.safetensors")
    held, receipt = choose(tmp_path / "x.safetensors")
    twin = spell(draw_factors(), "kohya")
    assert set(held) == {key for key in twin if form == "diffusers" or "_te_" not in key}
    assert all(torch.equal(value.float(), twin[key].float()) for key, value in held.items())
    assert receipt.converted


def test_block_weights_are_in_the_tensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(spell(draw_factors(), "kohya"), path)
    held, receipt = choose(path, "x:1:lbw=OUTALL")
    alphas = {key: value.item() for key, value in held.items() if key.endswith("alpha")}
    assert {key: 0.0 if DOWN.replace(".", "_") in key else 2.0 for key in alphas} == alphas
    assert not receipt.converted


def test_damaged_files_are_kept_from_the_host(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"abc")

    def fail() -> dict[str, Any]:
        raise AssertionError("it would be renamed")

    held, receipt = choose_tensors(path, None, SD1, fail, list_unmatched, find_weights)
    assert held == {}
    assert "too short" in receipt.problem


def test_files_of_models_that_only_the_host_knows_are_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"lora_unet_double_blocks_0_img_attn_proj.lora_up.weight": torch.ones(2, 2)}, path)
    held, receipt = choose_tensors(path, None, HostModel(), lambda: load_file(path), lambda _: [], find_weights)
    assert len(held) == 1
    assert not receipt.problem
    held, receipt = choose_tensors(path, None, SD1, lambda: load_file(path), list, find_weights)
    assert not held
    assert receipt.problem


def test_a_file_for_another_base_model_has_no_tensors(tmp_path: Path) -> None:
    path = write_attention(tmp_path, "flux1")
    held, receipt = choose_tensors(path, None, SD1, lambda: load_file(path), lambda _: [], find_weights)
    assert not held
    assert receipt.problem.startswith("was made for Flux.1, and this model is SD 1.x. Next: ")
    assert (receipt.base_model, receipt.modules, receipt.total) == ("flux1", 0, 4)
