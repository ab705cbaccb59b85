from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from underdrawing.core.networks.pixels import filter_pixels, find_pixel_gradient

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def draw(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> torch.Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)
    return values.contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("count", "height", "width"), [(1, 1, 1), (2, 3, 5), (3, 4, 2)])
def test_products_give_what_torch_gives(layout: torch.memory_format, count: int, height: int, width: int) -> None:
    x, weight = draw(count, 5, height, width, layout=layout), draw(7, 5, 3, 3, layout=layout)
    x.requires_grad_()
    for bias in (None, torch.arange(7, dtype=torch.float64)):
        expected = functional.conv2d(x, weight, bias, padding=1)
        assert torch.allclose(filter_pixels(x.detach(), weight, bias), expected)
    gradient = draw(*expected.shape, layout=layout)
    (of_x,) = torch.autograd.grad(expected, x, gradient)
    assert torch.allclose(find_pixel_gradient(gradient, weight), of_x)
