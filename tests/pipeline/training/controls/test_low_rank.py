from __future__ import annotations

import torch
from torch import Tensor, nn

from underdrawing.pipeline.training.controls.low_rank import LowRankControl


class Control(nn.Module):
    """Named like a ControlNetModel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 12, 1)
        self.middle = nn.Conv2d(12, 12, 3, padding=1)
        self.controlnet_mid_block = nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return self.controlnet_mid_block(self.middle(self.conv_in(x))) * scale


def test_it_begins_as_the_control() -> None:
    control, x = Control(), torch.randn(2, 4, 5, 5)
    before = control(x, scale=2.0)
    assert torch.equal(LowRankControl(control, 2)(x, scale=2.0), before)


def test_large_weights_are_of_low_rank_and_the_rest_direct() -> None:
    low = LowRankControl(Control(), 3)
    assert set(low.up) == set(low.down) == {"middle-weight"}
    assert "controlnet_mid_block-weight" in low.direct, "the UNet has none of it"
    assert "conv_in-weight" in low.direct, "as small as the rank"
    assert low.up["middle-weight"].shape == (12, 3)
    assert low.down["middle-weight"].shape == (3, 108)


def test_only_its_own_parameters_are_trained() -> None:
    control = Control()
    low = LowRankControl(control, 3)
    low(torch.randn(1, 4, 5, 5)).square().mean().backward()
    frozen = dict(control.named_parameters())["middle.weight"]
    assert frozen.grad is None
    assert not frozen.requires_grad
    assert all(value.grad is not None for value in low.parameters())


def test_the_merged_control_is_the_same() -> None:
    torch.manual_seed(0)
    low = LowRankControl(Control(), 3)
    with torch.no_grad():
        low.up["middle-weight"].normal_()
    x = torch.randn(1, 4, 5, 5)
    merged = Control()
    merged.load_state_dict(low.merge())
    assert torch.allclose(merged(x), low(x), atol=1e-5)


def test_gradients_are_those_of_the_merged_weights() -> None:
    torch.manual_seed(0)
    low = LowRankControl(Control(), 3)
    with torch.no_grad():
        low.up["middle-weight"].normal_()
    x = torch.randn(2, 4, 5, 5)
    low(x).square().sum().backward()
    found = {name: value.grad for name, value in low.named_parameters()}
    low.zero_grad()
    torch.func.functional_call(Control(), low.merge(), (x,)).square().sum().backward()
    for name, value in low.named_parameters():
        one, other = found[name], value.grad
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-3), name


def test_frozen_weights_move_along() -> None:
    low = LowRankControl(Control(), 3).double()
    assert low(torch.randn(1, 4, 5, 5, dtype=torch.float64)).dtype == torch.float64
