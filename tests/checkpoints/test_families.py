"""Models recognised from names and shapes."""

from __future__ import annotations

import pytest
import torch

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.checkpoints.families import find_family
from underdrawing.checkpoints.keys import find_part
from underdrawing.checkpoints.values import Shaped

CROSS = "transformer_blocks.0.attn2.to_k.weight"
ORIGINAL = {
    f"input_blocks.{number}.0.{'in_layers.2' if number % 3 else 'op'}.weight": number // 3 for number in range(12)
}
DIFFUSERS = {f"down_blocks.{level}.resnets.0.conv1.weight": level for level in range(4)}


def shape(rows: dict[str, int], prefix: str, widths: tuple[int, ...], context: int) -> dict[str, Shaped]:
    middle = "middle_block.1." if rows is ORIGINAL else "mid_block.attentions.0."
    shapes = {name: (widths[level], 8, 3, 3) for name, level in rows.items()} | {middle + CROSS: (8, context)}
    shapes |= {f"middle_block.{number}.in_layers.2.bias": (8,) for number in (0, 2) if rows is ORIGINAL}
    return {prefix + name: Shaped(torch.float16, one) for name, one in shapes.items()}


@pytest.mark.parametrize(
    ("rows", "prefix"),
    [(ORIGINAL, "model.diffusion_model."), (ORIGINAL, ""), (DIFFUSERS, "unet."), (DIFFUSERS, "")],
)
def test_the_reference_model_is_recognised_under_either_names(rows: dict[str, int], prefix: str) -> None:
    family = find_family(shape(rows, prefix, (64, 96, 128, 128), 128))
    assert family.id == "reference"
    assert "reference model" in family.title
    assert find_family(shape(rows, prefix, (64, 96, 128, 256), 128)).id == "unknown"
    assert find_family(shape(rows, prefix, (64, 96, 128, 128), 768)).id == "sd1"


@pytest.mark.parametrize("prefix", ["transformer_2.", "transformer.", ""])
def test_the_second_expert_is_of_the_model_of_the_first(prefix: str) -> None:
    wan = TRANSFORMER_MODELS["wan"].transformer
    assert wan is not None
    entries = {f"{prefix}{name}.weight": Shaped(torch.float16, module.shape) for name, module in wan.modules().items()}
    assert find_family(entries).id == "Wan"
    assert not prefix or {find_part(key) for key in entries} == {"unet"}
