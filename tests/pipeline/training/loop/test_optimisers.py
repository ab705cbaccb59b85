from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from underdrawing.core.errors import BadWeights, MissingExtra
from underdrawing.pipeline.training.loop.optimisers import build_optimiser, pack_state, set_factor, unpack_state
from underdrawing.pipeline.training.trainable import ParamGroup


def make_groups() -> list[ParamGroup]:
    generator = torch.Generator().manual_seed(0)
    tensors = [nn.Parameter(torch.randn(3, 4, generator=generator)) for _ in range(3)]
    return [
        ParamGroup(name="a", tensors={"x": tensors[0], "y": tensors[1]}, rate=0.1, weight_decay=0.5),
        ParamGroup(name="b", tensors={"z": tensors[2]}, rate=0.2),
    ]


def advance(optimiser: torch.optim.Optimizer, groups: list[ParamGroup], step: int) -> None:
    for group in groups:
        for number, tensor in enumerate(group.tensors.values()):
            tensor.grad = torch.full_like(tensor, 0.1 * step + number)
    set_factor(optimiser, groups, 1 / step)
    optimiser.step()


def values(groups: list[ParamGroup]) -> list[torch.Tensor]:
    return [tensor.detach().clone() for group in groups for tensor in group.tensors.values()]


@pytest.mark.parametrize("name", ["adamw", "adafactor", "prodigy", "adamw8bit"])
def test_a_packed_state_goes_on_to_the_same_bits(name: str) -> None:
    package = {"prodigy": "prodigyopt", "adamw8bit": "bitsandbytes"}.get(name, "torch")
    groups = make_groups()
    if find_spec(package) is None:
        with pytest.raises(MissingExtra, match=rf"{name}: needs {package}.*choose adamw"):
            build_optimiser(name, groups)
        return
    optimiser = build_optimiser(name, groups)
    for step in (1, 2):
        advance(optimiser, groups, step)
    other = make_groups()
    with torch.no_grad():
        for own, value in zip([t for g in other for t in g.tensors.values()], values(groups), strict=True):
            own.copy_(value)
    again = build_optimiser(name, other)
    unpack_state(again, *pack_state(optimiser))
    for step in (3, 4):
        advance(optimiser, groups, step)
        advance(again, other, step)
    assert all(map(torch.equal, values(groups), values(other)))


def test_groups_have_their_rates_and_decays() -> None:
    groups = make_groups()
    optimiser = build_optimiser("adamw", groups)
    set_factor(optimiser, groups, 0.5)
    assert [(group["lr"], group["weight_decay"]) for group in optimiser.param_groups] == [(0.05, 0.5), (0.1, 0.0)]


def test_the_state_of_other_groups_is_refused() -> None:
    groups = make_groups()
    packed = pack_state(build_optimiser("adamw", groups[:1]))
    with pytest.raises(BadWeights, match="other groups"):
        unpack_state(build_optimiser("adamw", groups), *packed)
