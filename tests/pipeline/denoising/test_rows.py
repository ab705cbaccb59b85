from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from underdrawing.pipeline.denoising.rows import FEWEST_TOKENS, compute_apart, compute_once, share_rows


class Layer(nn.Module):
    """Notes how many rows it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, hidden: torch.Tensor, step: torch.Tensor | None = None, **more: Any) -> torch.Tensor:
        self.rows.append(len(hidden))
        return hidden * 2 if step is None else hidden * 2 + step


EQUAL = torch.ones(2, 3)
APART = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]])


@pytest.mark.parametrize(
    ("hidden", "step", "rows"),
    [(EQUAL, None, 1), (EQUAL, EQUAL, 1), (APART, None, 2), (EQUAL, APART, 2), (EQUAL[:1], None, 1)],
)
def test_equal_rows_are_computed_once(hidden: torch.Tensor, step: torch.Tensor | None, rows: int) -> None:
    for arguments, named in (((step,), {}), ((), {"step": step})):
        layer = Layer()
        answer = compute_once(layer.forward, hidden, *arguments, **named)
        assert torch.equal(answer, layer.forward(hidden, step))
        assert layer.rows == [rows, len(hidden)]


def test_numbers_that_are_not_finite_are_no_reason_to_share() -> None:
    layer = Layer()
    compute_once(layer.forward, torch.full((2, 3), float("nan")))
    assert layer.rows == [2]


def make_network(*, attends: bool = True) -> tuple[Any, Layer, Layer]:
    resnet, attention = Layer(), Layer()
    attentions = [SimpleNamespace(transformer_blocks=[SimpleNamespace(attn1=attention)])] if attends else []
    blocks = [SimpleNamespace(resnets=[resnet, Layer()], attentions=attentions), SimpleNamespace()]
    return SimpleNamespace(down_blocks=blocks), resnet, attention


def test_only_what_comes_before_the_prompt_is_shared_and_only_meanwhile() -> None:
    network, resnet, attention = make_network()
    with share_rows(network), share_rows(network):
        for layer in (resnet, attention, network.down_blocks[0].resnets[1]):
            layer(EQUAL)
    for layer in (resnet, attention):
        layer(EQUAL)
        assert layer.rows == [1, 2]
        assert "forward" not in vars(layer)
    assert network.down_blocks[0].resnets[1].rows == [2]


def test_after_an_error_everything_is_as_it_was() -> None:
    network, resnet, _ = make_network()
    with pytest.raises(ValueError, match="stop"), share_rows(network):
        raise ValueError("stop")
    assert "forward" not in vars(resnet)


@pytest.mark.parametrize("network", [nn.Linear(1, 1), make_network(attends=False)[0]])
def test_networks_of_other_forms_are_left_alone(network: Any) -> None:
    with share_rows(network):
        pass


@pytest.mark.parametrize(
    ("shape", "rows"), [((2, FEWEST_TOKENS, 3), [1, 1]), ((2, FEWEST_TOKENS - 1, 3), [2]), ((1, FEWEST_TOKENS, 3), [1])]
)
def test_rows_of_many_tokens_are_computed_one_by_one(shape: tuple[int, int, int], rows: list[int]) -> None:
    layer, hidden = Layer(), torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    assert torch.equal(compute_apart(layer.forward, hidden), hidden * 2)
    assert layer.rows == rows


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_another_runtime_reads_layers_as_they_are() -> None:
    layer, hidden = Layer(), torch.ones(2, FEWEST_TOKENS, 3)

    class Reader(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return compute_apart(layer.forward, given)

    torch.jit.trace(Reader(), hidden, check_trace=False)
    assert set(layer.rows) == {2}


def test_feed_forward_layers_take_one_row_at_a_time_meanwhile() -> None:
    network = nn.ModuleDict({"block": nn.ModuleDict({"ff": Layer(), "attn1": Layer()})})
    block, hidden = network["block"], torch.ones(2, FEWEST_TOKENS, 3)
    assert isinstance(block, nn.ModuleDict)
    with share_rows(network), share_rows(network):
        for layer in block.values():
            layer(hidden)
    block["ff"](hidden)
    assert block["ff"].rows == [1, 1, 2]
    assert block["attn1"].rows == [2]
