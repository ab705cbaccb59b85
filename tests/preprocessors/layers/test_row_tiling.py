"""Band by band or at once, convolutions give the same features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from underdrawing.preprocessors.layers import row_tiling

if TYPE_CHECKING:
    from torch import Tensor

CALLS: list[int] = []


def stack(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two outputs, at the input's size and at half; five rows to each side are seen."""
    CALLS.append(x.shape[2])
    kernel = torch.arange(1.0, 10).view(1, 1, 3, 3)
    wide = F.conv2d(x, kernel, padding=4, dilation=4)
    return F.conv2d(wide, kernel, padding=1), F.max_pool2d(wide, 2)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(2, 150), width=st.integers(2, 9), small=st.sampled_from([1, 2**12, 2**13]))
def test_outputs_are_those_of_the_whole(height: int, width: int, small: int) -> None:
    x = torch.randint(-9, 9, (2, 1, height, width), generator=torch.Generator().manual_seed(height)).float()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_tiling, "TILE_BYTES", small)
        found = row_tiling.run_in_row_tiles(stack, [x], halo=6, channels=1, strides=(1, 2))
    for one, other in zip(found, stack(x), strict=True):
        assert torch.equal(one, other)


def test_a_large_picture_is_cut_and_a_small_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_tiling, "TILE_BYTES", 32 * 10 * 4)
    for height, rows in ((38, [38]), (96, [38, 44, 38])):
        CALLS.clear()
        row_tiling.run_in_row_tiles(stack, [torch.zeros(1, 1, height, 10)], halo=6, channels=1, strides=(1, 2))
        assert rows == CALLS


@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated")
def test_what_is_recorded_for_another_backend_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_tiling, "TILE_BYTES", 1)

    def run(x: Tensor) -> Tensor:
        return row_tiling.run_in_row_tiles(stack, [x], halo=6, channels=1, strides=(1, 2))[0]

    traced: Any = torch.jit.trace(run, torch.zeros(1, 1, 64, 8))
    x = torch.randn(1, 1, 130, 5)
    assert torch.allclose(traced(x), stack(x)[0], rtol=1e-4, atol=1e-3)
