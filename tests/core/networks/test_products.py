from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn import functional

from underdrawing.core.networks import convolution, products
from underdrawing.core.networks.products import QuickLinear, multiply, multiply_each

if TYPE_CHECKING:
    from collections.abc import Generator

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or products.find_onednn_product() is None,
    reason="this build of torch has no oneDNN; the builds for x86 have it",
)


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "prefers_onednn", lambda: True)
    monkeypatch.setattr(convolution, "prefers_onednn", lambda: True)


@pytest.fixture(params=["AVX2", "AVX512"])
def capability(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: request.param)
    products.prefers_onednn.cache_clear()
    yield request.param
    products.prefers_onednn.cache_clear()


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@needs_onednn
@pytest.mark.parametrize("maker", ["AuthenticAMD", "GenuineIntel", ""])
def test_only_amds_wide_units_want_another_library(
    maker: str, capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "read_cpu_vendor", lambda: maker)
    assert products.prefers_onednn() is (capability == "AVX512" and maker == "AuthenticAMD")


@needs_onednn
@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("shape", [(40, 24), (2, 30, 24), (3, 24), (0, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_are_torchs(shape: tuple[int, ...], bias: bool) -> None:
    x, weight, added = draw(*shape), draw(17, 24), draw(17) if bias else None
    torch.testing.assert_close(multiply(x, weight, added), functional.linear(x, weight, added), rtol=1e-5, atol=1e-5)


@needs_onednn
@pytest.mark.usefixtures("onednn")
def test_parts_of_larger_tensors_are_multiplied_as_they_lie() -> None:
    x, weight = draw(4, 64, 3, 24), draw(24, 3, 20)
    found = multiply(x[1, :, 1], weight[:, 1].t())
    torch.testing.assert_close(found, x[1, :, 1] @ weight[:, 1], rtol=1e-5, atol=1e-5)
    several = multiply_each(x[:, :, 0], weight.permute(1, 0, 2)[:1].expand(4, 24, 20))
    torch.testing.assert_close(several, x[:, :, 0] @ weight[:, 0], rtol=1e-5, atol=1e-5)


@needs_onednn
@pytest.mark.usefixtures("onednn")
def test_a_bias_with_gaps_is_read_as_it_is() -> None:
    x, weight = draw(40, 24), draw(17, 24)
    for bias in (draw(17, 3)[:, 0], draw(1).expand(17)):
        torch.testing.assert_close(multiply(x, weight, bias), functional.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


@needs_onednn
@pytest.mark.usefixtures("onednn")
def test_shapes_that_do_not_fit_are_torchs_errors() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        multiply(draw(40, 24), draw(17, 23))


@needs_onednn
@pytest.mark.usefixtures("onednn")
def test_a_layer_that_learns_or_is_in_bfloat16_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Linear(24, 17)).eval()
    monkeypatch.setattr(convolution, "MACHINES", (convolution.platform.machine().lower(),))
    convolution.quicken_layers(network)
    layer = network[0]
    assert type(layer) is QuickLinear
    x = draw(40, 24)
    expected = functional.linear(x, layer.weight, layer.bias).detach()
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
        layer.weight = nn.Parameter(layer.weight * 2, requires_grad=False)
        torch.testing.assert_close(layer(x) - layer.bias, 2 * (expected - layer.bias), rtol=1e-5, atol=1e-5)
        assert layer.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
