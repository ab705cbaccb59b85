from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from underdrawing.core.errors import BadWeights
from underdrawing.pipeline.reference.training.starting import load_start

if TYPE_CHECKING:
    from pathlib import Path


def test_half_precision_weights_are_a_start(tmp_path: Path) -> None:
    source, module = nn.Linear(3, 2), nn.Linear(3, 2)
    save_file({n: v.detach().half() for n, v in source.named_parameters()}, tmp_path / "model.safetensors")
    load_start(module, tmp_path)
    assert torch.equal(module.weight, source.weight.half().float())


def test_names_of_either_transformers_fit(tmp_path: Path) -> None:
    module = nn.Module()
    module.text_model = nn.Linear(2, 2)
    save_file({"weight": torch.ones(2, 2), "bias": torch.ones(2)}, tmp_path / "model.safetensors")
    load_start(module, tmp_path)
    assert module.text_model.weight.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("tensors", [{"weight": torch.ones(2, 3)}, {"weight": torch.ones(3, 3), "bias": torch.ones(2)}])
def test_weights_that_do_not_fit_are_named(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(BadWeights, match=r"does not fit the reference model \(1 weights differ\)"):
        load_start(nn.Linear(3, 2), tmp_path)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"diffusion_pytorch_model\.safetensors"):
        load_start(nn.Linear(3, 2), tmp_path)
