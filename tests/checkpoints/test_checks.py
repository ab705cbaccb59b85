"""What a merge says of its inputs before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.checkpoint_models import CLIP, apply_node, save, tiny

from underdrawing.checkpoints.comparing import compare_checkpoints
from underdrawing.checkpoints.graph import check_count
from underdrawing.checkpoints.merging import plan_recipe
from underdrawing.checkpoints.method_registry import methods
from underdrawing.checkpoints.recipe import make_recipe
from underdrawing.core.errors import BadParameter, BadWeights

if TYPE_CHECKING:
    from pathlib import Path


def list_notes(*files: Path, **fields: str) -> str:
    return "\n".join(plan_recipe(make_recipe(apply_node("weighted_sum", *files, **fields))).notes)


def test_a_part_that_one_checkpoint_lacks_is_said_in_either_order(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.safetensors", tiny(1))
    for part, prefix in (("VAE", "first_stage_model."), (CLIP, "cond_stage_model.")):
        less = {key: tensor for key, tensor in tiny(0).items() if not key.startswith(prefix)}
        pruned = save(tmp_path / "pruned.safetensors", less)
        for vae in ("keep", "merge"):
            notes = list_notes(pruned, whole, vae=vae)
            assert "left out" in notes, (part, vae)
            assert part in notes or prefix in notes
            notes = list_notes(whole, pruned, vae=vae)
            assert "pruned.safetensors" in notes, (part, vae)
            assert part in notes or prefix in notes
    assert "first" not in list_notes(whole, whole)
    assert not list_notes(whole, whole)


@pytest.mark.parametrize("ends", [("lora_up.weight", "lora_down.weight", "alpha"), ("lora_A.weight", "lora_B.weight")])
def test_a_lora_in_place_of_a_checkpoint_is_named(tmp_path: Path, ends: tuple[str, ...]) -> None:
    whole = save(tmp_path / "whole.safetensors", tiny(1))
    start = "lora_unet_mid_block_attentions_0_proj_in." if "alpha" in ends else "unet.mid_block.attentions.0.proj_in."
    lora = save(tmp_path / "style.safetensors", {start + end: torch.ones(4, 4) for end in ends})
    for pair in ((whole, lora), (lora, whole)):
        with pytest.raises(BadWeights, match=r"style.safetensors: is a LoRA.*lora bake"):
            list_notes(*pair)
        with pytest.raises(BadWeights, match=r"style.safetensors: is a LoRA.*lora bake"):
            compare_checkpoints(*pair, chart="", progress=lambda done, total: None)


def test_checkpoints_without_a_common_weight_are_compared_with_a_note(tmp_path: Path) -> None:
    one, other = (save(tmp_path / f"{name}.safetensors", {name: torch.ones(2)}) for name in "ab")
    report = compare_checkpoints(one, other, chart="", progress=lambda done, total: None)
    assert "share no weight" in report.notes[0]


def test_a_wrong_count_of_checkpoints_names_methods_that_take_it() -> None:
    with pytest.raises(BadParameter, match=r"takes A, B, C.*give 3 in this order, or .* takes 2, such as weighted_sum"):
        check_count(methods()["add_difference"], 2)
