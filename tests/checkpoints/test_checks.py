"""What a merge says of its inputs before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.checkpoint_models import CLIP, apply_node, save, tiny

from underdrawing.checkpoints.merging import plan_recipe
from underdrawing.checkpoints.recipe import make_recipe

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
