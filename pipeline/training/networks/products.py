"""Products with frozen weights, whose gradients are formed for what is trained alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ....core.networks.convolution import convolve, find_input_gradient

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Frozen = nn.Linear | nn.Conv2d


def multiply(base: Frozen, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What a layer answers with another weight."""
    if isinstance(base, nn.Conv2d):
        if not torch.is_grad_enabled():
            return convolve(base, x, weight, bias)
        return functional.conv2d(x, weight, bias, base.stride, base.padding, base.dilation, base.groups)
    return functional.linear(x, weight, bias)


def find_gradients(base: Frozen, gradient: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Any:
    """Gradients of input and weight, None for what is not wanted."""
    if isinstance(base, nn.Conv2d):
        of_x = find_input_gradient(base, gradient, x.shape, weight) if wanted[0] else None
        if not wanted[1]:
            return of_x, None
        settings = (base.stride, base.padding, base.dilation, False, [0, 0], base.groups)
        backward = torch.ops.aten.convolution_backward
        return of_x, backward(gradient, x, weight, None, *settings, [False, True, False])[1]
    rows = gradient.reshape(-1, gradient.shape[-1])
    of_x = (gradient @ weight) if wanted[0] else None
    return of_x, (rows.t() @ x.reshape(-1, x.shape[-1])) if wanted[1] else None


class AddLowRank(Function):
    """base(x) + scale * up(down(x)) of a linear layer: x [..., I], down [r, I], up [O, r], mask: on down's answer.

    Both products are added into what the frozen layer gave, forwards and backwards, so that nothing of the size of
    inputs or outputs is allocated besides those.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        mask: Tensor | None,
        scale: float,
    ) -> Tensor:
        """The answer; keeps what the gradients need."""
        inner = functional.linear(x, down)
        if mask is not None:
            inner = inner * mask
        y = functional.linear(x, weight, bias)
        y.view(-1, y.shape[-1]).addmm_(inner.reshape(-1, inner.shape[-1]), up.t(), alpha=scale)
        ctx.save_for_backward(x, weight, down, up, inner, mask)
        ctx.scale = scale
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        """Gradients of the input and of what is trained."""
        x, weight, down, up, inner, mask = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        of_up = (rows.t() @ inner.reshape(-1, inner.shape[-1])).mul_(ctx.scale)
        of_inner = (rows @ up).mul_(ctx.scale)
        if mask is not None:
            of_inner = (of_inner.view(inner.shape) * mask).view(of_inner.shape)
        of_down = of_inner.t() @ x.reshape(-1, x.shape[-1])
        if not ctx.needs_input_grad[0]:
            return None, None, None, of_down, of_up, None, None
        of_x = (rows @ weight).addmm_(of_inner, down)
        return of_x.view(x.shape), None, None, of_down, of_up, None, None


class AddLowRankConv(Function):
    """The same of a convolution: x [B, I, H, W], down [r, I, k, k] with its stride and padding, up [O, r, 1, 1]."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        base: nn.Conv2d,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        mask: Tensor | None,
        scale: float,
    ) -> Tensor:
        """The answer; keeps what the gradients need."""
        inner = multiply(base, x, down, None)
        if mask is not None:
            inner = inner * mask
        y = multiply(base, x, weight, bias)
        y.add_(functional.conv2d(inner, up), alpha=scale)
        ctx.save_for_backward(x, weight, down, up, inner, mask)
        ctx.base, ctx.scale = base, scale
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        """Gradients of the input and of what is trained."""
        x, weight, down, up, inner, mask = ctx.saved_tensors
        base, wanted = ctx.base, ctx.needs_input_grad[0]
        of_up = torch.einsum("bohw,brhw->or", gradient, inner).mul_(ctx.scale).view(up.shape)
        of_inner = functional.conv2d(gradient, up.transpose(0, 1)).mul_(ctx.scale)
        if mask is not None:
            of_inner = of_inner * mask
        of_x, of_down = find_gradients(base, of_inner, x, down, (wanted, True))
        if wanted:
            of_x = find_gradients(base, gradient, x, weight, (True, False))[0].add_(of_x)
        return of_x, None, None, None, of_down, of_up, None, None


class MultiplyBuilt(Function):
    """A layer whose weight is built from factors where it is needed, twice, instead of kept in between.

    build: from the frozen weight and the factors to the weight, of torch functions with gradients.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        base: Frozen,
        weight: Tensor,
        bias: Tensor | None,
        build: Callable[..., Tensor],
        *factors: Tensor,
    ) -> Tensor:
        """The answer; keeps what the gradients need."""
        ctx.save_for_backward(x, weight, *factors)
        ctx.base, ctx.build = base, build
        return multiply(base, x, build(weight, *factors), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        """Gradients of the input and of what is trained."""
        x, weight, *factors = ctx.saved_tensors
        with torch.enable_grad():
            leaves = [factor.detach().requires_grad_() for factor in factors]
            built = ctx.build(weight, *leaves)
        of_x, of_weight = find_gradients(ctx.base, gradient, x, built.detach(), (ctx.needs_input_grad[0], True))
        grads = torch.autograd.grad(built, leaves, of_weight)
        return of_x, None, None, None, None, *grads
