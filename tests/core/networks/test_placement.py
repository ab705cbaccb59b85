"""What callers may write for device, number format and resolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import underdrawing
from underdrawing.core.errors import BadParameter
from underdrawing.core.networks.placement import resolve_placement

PICTURE = np.zeros((30, 40, 3), np.uint8)


@pytest.mark.parametrize("dtype", ["bfloat16", "bf16", "torch.bfloat16"])
def test_names_of_number_formats(dtype: str) -> None:
    assert resolve_placement("cpu", dtype).dtype == "bfloat16"


@pytest.mark.parametrize("dtype", ["int8", "torch.int8", "torch."])
def test_other_formats_are_refused(dtype: str) -> None:
    with pytest.raises(BadParameter, match="not offered") as caught:
        resolve_placement("cpu", dtype)
    assert "backend" not in str(caught.value)


@pytest.mark.parametrize("name", ["canny", "hed"])
def test_objects_of_torch_are_taken(name: str) -> None:
    placed = underdrawing.load_annotator(name, device=torch.device("cpu"), dtype=torch.float32).placement
    assert (placed.device, placed.dtype) == ("cpu", "float32")


@pytest.mark.parametrize("resolution", [60, np.int64(60), 60.0])
def test_a_resolution_is_a_whole_number(resolution: Any) -> None:
    assert underdrawing.annotate("invert", PICTURE, resolution=resolution).images.shape == (1, 60, 80, 3)


@pytest.mark.parametrize("resolution", ["60", 60.5, None, float("nan")])
def test_anything_else_is_refused(resolution: Any) -> None:
    with pytest.raises(BadParameter, match="whole number"):
        underdrawing.annotate("invert", PICTURE, resolution=resolution)
