"""Muon, and the moving average of what is trained.

Muon: the momentum of every matrix is made orthogonal before it is applied (K. Jordan and others 2024, "Muon: an
optimizer for hidden layers"), by Newton-Schulz steps with the published coefficients; convolutions count as matrices of
their outputs. Everything else gets Adam (Kingma, Ba 2015). Steps are scaled to Adam's size (Liu and others 2025,
arXiv:2502.16982), so that one rate serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Newton-Schulz: a x + b x x' x + c (x x')² x."""
STEPS = 5
SLOW = 0.35
"""Factor on the rate of what begins trained."""
SMALLEST = 4
"""A matrix with a side up to this long is left to Adam."""


@dataclass
class Step:
    """What is done to a matrix: its update, not higher than wide, at a rate."""

    parameter: nn.Parameter
    update: Tensor
    rate: float


class Muon(torch.optim.Optimizer):
    """plain: parameters for Adam in spite of their shape, such as embeddings. slow: those at SLOW times the rate.

    workers: processes with equal gradients, which share the work on the matrices.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        *,
        plain: Sequence[nn.Parameter] = (),
        slow: Sequence[nn.Parameter] = (),
        workers: Workers | None = None,
        momentum: float = 0.95,
        decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        late = {id(parameter) for parameter in slow}
        every = list(parameters)
        groups: dict[float, list[nn.Parameter]] = {
            1.0: [parameter for parameter in every if id(parameter) not in late],
            SLOW: [parameter for parameter in every if id(parameter) in late],
        }
        super().__init__([{"params": g, "lr": rate * s, "scale": s} for s, g in groups.items() if g], {})
        self.plain = {id(parameter) for parameter in plain}
        self.momentum, self.decay, self.betas = momentum, decay, betas
        self._workers = workers or Workers()
        self.count = 0

    def set_rate(self, rate: float) -> None:
        """Set the rate of all groups, times their scale."""
        for group in self.param_groups:
            group["lr"] = rate * group["scale"]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Apply the gradients."""
        self.count += 1
        steps: dict[tuple[int, int], list[Step]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if self._is_matrix(parameter):
                    update = self._update_momentum(parameter)
                    size = (update.shape[0], update.shape[1])
                    steps.setdefault(size, []).append(Step(parameter, update, group["lr"]))
                else:
                    self._apply_adam(parameter, group["lr"])
        self._orthogonalise(steps)
        for shape, equal in steps.items():
            for step in equal:
                self._apply_orthogonal(step, 0.2 * max(shape) ** 0.5)

    def _orthogonalise(self, steps: dict[tuple[int, int], list[Step]]) -> None:
        """Replace all updates by their orthogonal ones: this worker's share of each shape is computed here."""
        rank, count = self._workers.rank, self._workers.count
        for equal in steps.values():
            own = equal[rank::count]
            done = orthogonalise(torch.stack([step.update for step in own])) if own else ()
            for step in equal:
                step.update = torch.zeros_like(step.update) if count > 1 else step.update
            for step, update in zip(own, done, strict=True):
                step.update = update
        self._workers.add([step.update for equal in steps.values() for step in equal])

    def _is_matrix(self, parameter: nn.Parameter) -> bool:
        if parameter.ndim < 2 or id(parameter) in self.plain:
            return False
        return min(parameter.shape[0], parameter[0].numel()) > SMALLEST

    def _update_momentum(self, parameter: nn.Parameter) -> Tensor:
        """The next step as a matrix that is not higher than wide."""
        assert parameter.grad is not None
        state = self.state[parameter]
        gradient = parameter.grad.float()
        buffer = state.setdefault("momentum", torch.zeros_like(gradient))
        buffer.lerp_(gradient, 1 - self.momentum)
        update = gradient.lerp(buffer, self.momentum).reshape(len(gradient), -1)
        return update.mT if update.shape[0] > update.shape[1] else update

    def _apply_orthogonal(self, step: Step, size: float) -> None:
        parameter, rate = step.parameter, step.rate
        flat = step.update.mT if len(parameter) != step.update.shape[0] else step.update
        parameter.mul_(1 - rate * self.decay)
        parameter.add_(flat.reshape(parameter.shape), alpha=-size * rate)

    def _apply_adam(self, parameter: nn.Parameter, rate: float) -> None:
        assert parameter.grad is not None
        state, gradient = self.state[parameter], parameter.grad.float()
        mean = state.setdefault("mean", torch.zeros_like(gradient)).lerp_(gradient, 1 - self.betas[0])
        square = state.setdefault("square", torch.zeros_like(gradient)).lerp_(gradient * gradient, 1 - self.betas[1])
        first, second = (1 - beta**self.count for beta in self.betas)
        parameter.add_((mean / first) / ((square / second).sqrt() + 1e-8), alpha=-rate)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Nearest matrices with equal singular values, roughly: [N, rows, columns], rows <= columns.

    A step multiplies x by q = a + b x x' + c (x x')², and so the square x x' by q²: all steps are done on the square,
    which is smaller, and the product of the factors is applied to x once. Less than half the work for wide matrices.
    """
    x = matrices.float()
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = COEFFICIENTS
    square = x @ x.mT
    product: Tensor | None = None
    for step in range(STEPS):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if step < STEPS - 1:
            square = factor @ square @ factor
    assert product is not None
    return product @ x


class Average:
    """Exponential moving average of a module's parameters, which is what is kept in the end."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.count = decay, 0
        self.values = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """After each step; early steps weigh more."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for name, value in module.named_parameters():
            self.values[name].lerp_(value.detach(), 1 - decay)

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Exchange the module's values and the average; a second time, back."""
        for name, value in module.named_parameters():
            kept = value.detach().clone()
            value.copy_(self.values[name])
            self.values[name].copy_(kept)
