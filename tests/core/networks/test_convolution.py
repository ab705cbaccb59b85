from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from underdrawing.core.networks import convolution
from underdrawing.core.networks.convolution import PointConv2d, QuickConv2d, filter_tiles, quicken_layers

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def draw(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> torch.Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    return values.contiguous(memory_format=layout)


def is_near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found - expected).detach().abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("count", "height", "width", "outputs"), [(1, 4, 6, 24), (2, 10, 2, 40), (3, 8, 8, 17)])
@pytest.mark.parametrize(("tiles", "kernels"), [(1 << 30, 1 << 30), (1, 1 << 30), (1 << 30, 1), (1, 1)])
def test_tiles_give_what_torch_gives(
    layout: torch.memory_format,
    count: int,
    height: int,
    width: int,
    outputs: int,
    tiles: int,
    kernels: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In one piece, and in the smallest pieces of pictures and of kernels."""
    monkeypatch.setattr(convolution, "TILE_BYTES", tiles)
    monkeypatch.setattr(convolution, "KERNEL_BYTES", kernels)
    x, weight = draw(count, 12, height, width, layout=layout), draw(outputs, 12, 3, 3, layout=layout)
    for bias in (None, draw(outputs)):
        expected = functional.conv2d(x.double(), weight.double(), None if bias is None else bias.double(), padding=1)
        found = filter_tiles(x, weight, bias)
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert is_near(found.double(), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("tiles", "kernels"), [(1 << 30, 1 << 30), (1, 1 << 30), (1 << 30, 1), (1, 1)])
def test_gradients_by_tiles_are_those_of_the_input(
    layout: torch.memory_format, tiles: int, kernels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "TILE_BYTES", tiles)
    monkeypatch.setattr(convolution, "KERNEL_BYTES", kernels)
    gradient, weight = draw(2, 12, 6, 8, layout=layout), draw(12, 40, 3, 3, layout=layout)
    expected = functional.conv_transpose2d(gradient.double(), weight.double(), padding=1)
    assert is_near(filter_tiles(gradient, weight, None, back=True).double(), expected)


def test_the_error_is_not_larger_than_torchs() -> None:
    x, weight = draw(1, 640, 8, 8), draw(128, 640, 3, 3)
    exact = functional.conv2d(x.double(), weight.double(), padding=1)
    own, theirs = (
        float((found - exact).abs().max())
        for found in (filter_tiles(x, weight, None), functional.conv2d(x, weight, padding=1))
    )
    assert own <= 4 * theirs


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(convolution, "FEWEST_CHANNELS", 8)
    monkeypatch.setattr(convolution, "FEWEST_TILES", 8)
    layers = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, stride=2),
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 3, padding=1, groups=2),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 4, 3, padding=1),
    )
    quicken_layers(layers.eval().requires_grad_(requires_grad=False))
    return layers


def take(network: nn.Sequential, index: int) -> nn.Conv2d:
    layer = network[index]
    assert isinstance(layer, nn.Conv2d)
    return layer


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []

    def count(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        calls.append(len(x))
        return filter_tiles(x, weight, bias)

    monkeypatch.setattr(convolution, "filter_tiles", count)
    return calls


def test_only_plain_convolutions_of_enough_channels_are_changed(network: nn.Sequential) -> None:
    kinds = [QuickConv2d, nn.Conv2d, PointConv2d, nn.Conv2d, nn.Conv2d, nn.Conv2d]
    assert [type(layer) for layer in network] == kinds
    assert list(network.state_dict())[:2] == ["0.weight", "0.bias"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_single_pixels_are_a_matrix_product(layout: torch.memory_format, network: nn.Sequential) -> None:
    x, layer = draw(2, 8, 3, 5, layout=layout), take(network, 2)
    expected = functional.conv2d(x, layer.weight, layer.bias)
    assert is_near(layer(x), expected)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
    assert is_near(layer(x[0]), expected[0])


def test_other_processors_keep_torchs_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    layers = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1))
    quicken_layers(layers)
    assert type(layers[0]) is nn.Conv2d


def test_weights_that_are_replaced_count_at_the_next_call(
    network: nn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, layer, x = count_calls(monkeypatch), take(network, 0), draw(1, 8, 8, 8)
    bias = functional.conv2d(x, torch.zeros(8, 8, 1, 1), layer.bias)
    before = layer(x) - bias
    layer.weight = nn.Parameter(layer.weight * 2, requires_grad=False)
    assert is_near(layer(x) - bias, 2 * before)
    assert calls == [1, 1]


@pytest.mark.parametrize("change", ["odd", "small", "half", "gradient", "unbatched"])
def test_calls_that_do_not_suit_are_torchs(
    change: str, network: nn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, layer = count_calls(monkeypatch), take(network, 0)
    x = draw(1, 8, 7 if change == "odd" else 8, 4 if change == "small" else 8)
    if change == "small":
        x = x[:, :, :4]
    if change == "half":
        x, layer = x.bfloat16(), layer.bfloat16()
    if change == "gradient":
        x, layer = x.requires_grad_(), layer.requires_grad_()  # frozen layers are filtered by tiles
    if change == "unbatched":
        x = x[0]
    answer = layer(x)
    assert calls == []
    assert answer.shape == x.shape
    assert answer.requires_grad == (change == "gradient")


@pytest.mark.parametrize(
    ("large", "fewest", "side", "way"),
    [
        (1 << 40, 8, 8, "filter_tiles filter_tiles"),
        (1 << 40, 1 << 40, 8, ""),
        (1, 16, 6, "filter_pixels find_pixel_gradient"),
        (1, 4, 8, "filter_tiles filter_tiles"),
        (1, 16, 7, "filter_pixels find_pixel_gradient"),
    ],
)
def test_gradients_equal_torchs_whatever_the_way(
    large: int, fewest: int, side: int, way: str, network: nn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels that count as large, tiles from which they are used, and the ways forwards and back."""
    calls: list[str] = []
    for name in ("filter_tiles", "filter_pixels", "find_pixel_gradient"):
        call: Callable[..., torch.Tensor] = getattr(convolution, name)

        def record(*tensors: Any, call: Callable[..., torch.Tensor] = call, **options: Any) -> torch.Tensor:
            calls.append(call.__name__)
            return call(*tensors, **options)

        monkeypatch.setattr(convolution, name, record)
    for name, value in (("LARGE_KERNELS", large), ("FEWEST_TILES", fewest), ("FEWEST_TILES_BACK", fewest)):
        monkeypatch.setattr(convolution, name, value)
    layer, x, weights = take(network, 0), draw(1, 8, side, side), draw(1, 8, side, side)
    found, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    answer = layer(found)
    (answer * weights).sum().backward()
    plain = functional.conv2d(expected, layer.weight, layer.bias, padding=1)
    (plain * weights).sum().backward()
    assert found.grad is not None
    assert expected.grad is not None
    assert is_near(answer, plain)
    assert is_near(found.grad, expected.grad)
    assert calls == way.split()
    assert "FilterFrozen" in type(answer.grad_fn).__name__


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_layers_that_learn_are_left_to_torch(part: str, network: nn.Sequential) -> None:
    layer = take(network, 0)
    getattr(layer, part).requires_grad_()
    layer(draw(1, 8, 8, 8)).sum().backward()
    assert getattr(layer, part).grad.abs().max() > 0
