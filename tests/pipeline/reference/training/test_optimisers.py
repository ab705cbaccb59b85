from __future__ import annotations

import pytest
import torch
from torch import nn

from underdrawing.pipeline.reference.training.optimisers import SLOW, STEPS, Average, Muon, orthogonalise


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 12, 40)))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_each_matrix_is_made_orthogonal_by_itself() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 8, 20)
    together = orthogonalise(matrices)
    assert together[1] == pytest.approx(orthogonalise(matrices[1:2])[0], abs=1e-5)


@pytest.mark.parametrize("shape", [(2, 12, 40), (2, 16, 16), (1, 8, 72)])
def test_the_steps_are_the_published_ones(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape) * torch.logspace(0, -4, shape[-1])
    x = matrices.double() / matrices.double().flatten(1).norm(dim=1)[:, None, None]
    for _ in range(STEPS):
        square = x @ x.mT
        x = 3.4445 * x - 4.7750 * square @ x + 2.0315 * square @ square @ x
    torch.testing.assert_close(orthogonalise(matrices).double(), x, rtol=0, atol=2e-3)


def test_a_regression_is_learnt() -> None:
    torch.manual_seed(0)
    target, layer = nn.Linear(16, 12), nn.Linear(16, 12)
    optimiser = Muon(layer.parameters(), 0.02)
    inputs = torch.randn(64, 16)
    losses: list[float] = []
    for index in range(150):
        optimiser.set_rate(0.02 * (1 - index / 150))
        loss = (layer(inputs) - target(inputs).detach()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 50


def test_small_and_plain_parameters_get_adam() -> None:
    layer = nn.ModuleDict({"wide": nn.Linear(8, 8), "narrow": nn.Linear(8, 3), "words": nn.Embedding(9, 8)})
    optimiser = Muon(layer.parameters(), 0.01, plain=[layer["words"].weight])  # type: ignore[list-item]
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    kinds = {name: set(optimiser.state[value]) for name, value in layer.named_parameters()}
    adam = {"mean", "square"}
    assert kinds == {
        "wide.weight": {"momentum"},
        "wide.bias": adam,
        "narrow.weight": adam,
        "narrow.bias": adam,
        "words.weight": adam,
    }


def test_what_begins_trained_is_slower() -> None:
    before = torch.randn(8, 8)
    whole, part = (nn.Parameter(before.clone()) for _ in range(2))
    optimiser = Muon([whole, part], 0.1, slow=[part], decay=0)
    optimiser.set_rate(0.1)
    gradient = torch.randn(8, 8)
    whole.grad, part.grad = gradient, gradient
    optimiser.step()
    assert torch.allclose(part - before, SLOW * (whole - before), atol=1e-6)


def test_a_parameter_without_gradient_stays() -> None:
    layer = nn.Linear(8, 8)
    before = layer.weight.detach().clone()
    optimiser = Muon(layer.parameters(), 0.1)
    optimiser.step()
    assert torch.equal(layer.weight, before)


def test_the_average_follows_and_swaps_back() -> None:
    layer = nn.Linear(2, 2, bias=False)
    average = Average(layer, 0.9)
    start = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1
    for _ in range(200):
        average.update(layer)
    assert average.values["weight"] == pytest.approx(start + 1, abs=1e-4)
    current = layer.weight.detach().clone()
    average.swap(layer)
    average.swap(layer)
    assert torch.equal(layer.weight, current)
