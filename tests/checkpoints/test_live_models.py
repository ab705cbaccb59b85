"""Models in a host's memory as inputs: what they compute must be what they announce."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import UNET, tiny

from underdrawing.checkpoints.live_models import LiveModel, make_plain_recipe
from underdrawing.checkpoints.merging import run_recipe
from underdrawing.checkpoints.values import Shaped
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

LAYER = f"{UNET}time_embed.0.weight"


class Loaded(LiveModel):
    """A model of given tensors, some of which come out of patches as others."""

    label = "model_a"

    def __init__(self, patched: dict[str, Tensor]) -> None:
        own = tiny()
        self.entries = {key: Shaped(tensor.dtype, tuple(tensor.shape)) for key, tensor in own.items()}
        self._tensors = {**own, **patched}

    def compute(self, key: str) -> Tensor:
        return self._tensors[key]


def test_patched_weights_are_written(tmp_path: Path) -> None:
    patched = torch.nn.Parameter(torch.randn(8, 16).half().T)
    run_recipe(make_plain_recipe(Loaded({LAYER: patched})), tmp_path / "o.safetensors")
    assert torch.equal(load_file(tmp_path / "o.safetensors")[LAYER], patched)


@pytest.mark.parametrize("shape", [(17, 8), (15, 8), (8, 16), ()])
def test_patches_that_change_a_shape_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    model = Loaded({LAYER: torch.ones(shape).half()})
    with pytest.raises(BadWeights, match=rf"{LAYER}: comes out of its patches as .* in place of \[16, 8\]"):
        run_recipe(make_plain_recipe(model), tmp_path / "o.safetensors")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_in_memory_are_refused(tmp_path: Path) -> None:
    model = Loaded({LAYER: torch.empty(16, 8, device="meta")})
    with pytest.raises(BadWeights, match="has no values in memory"):
        run_recipe(make_plain_recipe(model), tmp_path / "o.safetensors")
