"""Answers, gradients and one step of the optimiser, against the dense formula W + change with plain autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from underdrawing.pipeline.training.networks.chance import Moment
from underdrawing.pipeline.training.networks.hadamard import HadamardLayer
from underdrawing.pipeline.training.networks.kronecker import KroneckerLayer
from underdrawing.pipeline.training.networks.layer import Layer, LayerSettings
from underdrawing.pipeline.training.networks.low_rank import LowRankLayer

if TYPE_CHECKING:
    from torch import Tensor

KINDS: dict[str, tuple[type[Layer], dict[str, Any]]] = {
    "lora": (LowRankLayer, {}),
    "loha": (HadamardLayer, {}),
    "lokr": (KroneckerLayer, {"factor": 4}),
    "lokr-whole": (KroneckerLayer, {"factor": 2, "rank": 6}),
    "lokr-decompose": (KroneckerLayer, {"factor": 4, "decompose": True, "rank": 1}),
}
BASES = {
    "linear": lambda: nn.Linear(12, 16),
    "no bias": lambda: nn.Linear(12, 16, bias=False),
    "conv": lambda: nn.Conv2d(12, 16, 3, padding=1),
    "strided": lambda: nn.Conv2d(12, 16, 3, stride=2, padding=1),
    "pointwise": lambda: nn.Conv2d(12, 16, 1),
}


def make_layer(kind: str, base: str, *, dora: bool = False, **settings: Any) -> Layer:
    """A layer whose factors are all random, so that nothing hides behind zeros."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        frozen = BASES[base]().requires_grad_(False)
        build, own = KINDS[kind]
        options = dict(own)
        made = LayerSettings(rank=options.pop("rank", 2), scale=0.7, dora=dora, **settings)
        layer = build("unet.layer", frozen, made, Moment(5), **options)
        for parameter in layer.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return layer


def make_input(base: str) -> Tensor:
    shape = (2, 5, 12) if base in ("linear", "no bias") else (2, 12, 6, 7)
    return torch.randn(shape, generator=torch.Generator().manual_seed(8))


def answer_dense(layer: Layer, x: Tensor, values: dict[str, Tensor]) -> Tensor:
    """What the papers write, of parameters with gradients: the change as a whole matrix, added to the weight."""
    weight, scale = layer.base.weight, layer.settings.scale
    if "up" in values:
        change = scale * values["up"].flatten(1) @ values["down"].flatten(1)
    elif "w2_a" in values and "w1_b" in values and isinstance(layer, HadamardLayer):
        change = scale * (values["w1_a"] @ values["w1_b"]) * (values["w2_a"] @ values["w2_b"])
    else:
        whole = "w1" in values and "w2" in values
        w1 = values["w1"] if "w1" in values else values["w1_a"] @ values["w1_b"]
        w2 = values["w2"] if "w2" in values else values["w2_a"] @ values["w2_b"]
        rows, columns = len(weight) // len(w1), weight.shape[1] // w1.shape[1]
        blocks = w2.reshape(rows, columns, *weight.shape[2:])
        change = torch.kron(w1.reshape(*w1.shape, *(1,) * (weight.ndim - 2)), blocks) * (1 if whole else scale)
    changed = weight + change.reshape(weight.shape)
    if "magnitude" in values:
        norm = changed.flatten(1).norm(dim=1).detach()  # a constant for gradients: section 4.3 of the paper
        changed = changed * (values["magnitude"] / norm).view(-1, *(1,) * (weight.ndim - 1))
    if isinstance(layer.base, nn.Conv2d):
        return functional.conv2d(x, changed, layer.base.bias, layer.base.stride, layer.base.padding)
    return functional.linear(x, changed, layer.base.bias)


@pytest.mark.parametrize("dora", [False, True], ids=["plain", "dora"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("kind", KINDS)
def test_answer_gradients_and_a_step_equal_the_written_out_formula(kind: str, base: str, dora: bool) -> None:
    layer = make_layer(kind, base, dora=dora)
    layer.install()
    x, own_x = make_input(base).requires_grad_(), make_input(base).requires_grad_()
    values = {name: p.detach().clone().requires_grad_() for name, p in layer.named_parameters()}
    expected, found = answer_dense(layer, own_x, values), layer.base(x)
    assert torch.allclose(found, expected, atol=2e-5)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert x.grad is not None
    assert own_x.grad is not None
    assert torch.allclose(x.grad, own_x.grad, atol=1e-4)
    for name, parameter in layer.named_parameters():
        given, wanted = parameter.grad, values[name].grad
        assert given is not None
        assert wanted is not None
        assert torch.allclose(given, wanted, atol=2e-3, rtol=1e-4), name
    assert layer.base.weight.grad is None
    for parameters in (list(layer.parameters()), list(values.values())):
        torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1).step()
    for name, parameter in layer.named_parameters():
        assert torch.allclose(parameter, values[name], atol=1e-4), name


@pytest.mark.parametrize("base", ["linear", "conv"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_changes_at_first_and_the_delta_is_what_is_computed(kind: str, base: str) -> None:
    build, own = KINDS[kind]
    options = dict(own)
    frozen = BASES[base]().requires_grad_(False)
    x, before = make_input(base), frozen(make_input(base))
    settings = LayerSettings(rank=options.pop("rank", 2), scale=0.7, dora=True)
    layer = build("unet.layer", frozen, settings, Moment(5), **options)
    layer.install()
    assert torch.allclose(frozen(x), before, atol=1e-5)
    layer.remove()
    assert torch.equal(frozen(x), before)
    trained = make_layer(kind, base, dora=True)
    weight = trained.make_delta(torch.float32).apply(trained.base.weight)
    changed = BASES[base]().requires_grad_(False)
    changed.load_state_dict({"weight": weight, "bias": trained.base.bias})
    assert torch.allclose(trained(x), changed(x), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_depends_on_step_and_pass_alone(kind: str) -> None:
    rates: dict[str, Any] = {"rank_dropout": 0.4} | ({"dropout": 0.4} if kind == "lora" else {})
    layer, x = make_layer(kind, "linear", **rates), make_input("linear")
    moment = layer._moment
    whole = layer(x)
    moment.training, moment.step = True, 3
    first = layer(x)
    assert not torch.equal(first, whole)
    assert torch.equal(layer(x), first)
    moment.index = 1
    second = layer(x)
    assert not torch.equal(second, first)
    moment.index = 0
    assert torch.equal(layer(x), first)


def test_dropout_of_values_and_ranks_is_in_the_gradients() -> None:
    for base in ("linear", "conv", "strided"):
        layer, x = make_layer("lora", base, dropout=0.3, rank_dropout=0.3), make_input(base).requires_grad_()
        layer._moment.training = True
        assert isinstance(layer, LowRankLayer)
        mask = layer._draw_mask(x)
        assert mask is not None
        values = {name: p.detach().clone().requires_grad_() for name, p in layer.named_parameters()}
        frozen, scale = layer.base, layer.settings.scale
        if isinstance(frozen, nn.Conv2d):
            inner = functional.conv2d(x, values["down"], None, frozen.stride, frozen.padding) * mask
            expected = type(frozen).forward(frozen, x) + scale * functional.conv2d(inner, values["up"])
        else:
            inner = functional.linear(x, values["down"]) * mask
            expected = functional.linear(x, frozen.weight, frozen.bias) + scale * functional.linear(inner, values["up"])
        found = layer(x)
        assert torch.allclose(found, expected, atol=1e-5)
        wanted = torch.autograd.grad(expected.square().sum(), [x, *values.values()])
        given = torch.autograd.grad(found.square().sum(), [x, *layer.parameters()])
        for one, other in zip(given, wanted, strict=True):
            assert torch.allclose(one, other, atol=1e-3, rtol=1e-4)


def test_a_layer_is_left_out_of_some_passes() -> None:
    layer, x = make_layer("lora", "linear", module_dropout=0.5), make_input("linear")
    moment, plain = layer._moment, functional.linear(make_input("linear"), layer.base.weight, layer.base.bias)
    moment.training = True
    out = 0
    for step in range(40):
        moment.step = step
        out += torch.equal(layer(x), plain)
    assert 8 < out < 32
    moment.training, moment.active = False, False
    assert torch.equal(layer(x), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_weights_in_bfloat16_and_autocast(kind: str) -> None:
    layer, x = make_layer(kind, "linear", dora=True), make_input("linear")
    exact = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    layer.base.to(torch.bfloat16)
    half = layer(x.to(torch.bfloat16).requires_grad_())
    half.float().sum().backward()
    assert half.dtype == torch.bfloat16
    for answer in (found, half):
        assert (answer.float() - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(p.grad is not None and p.grad.dtype == p.dtype == torch.float32 for p in layer.parameters())
