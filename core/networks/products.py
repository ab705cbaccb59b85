"""Matrix products by the faster of two libraries that torch has.

torch multiplies float32 by MKL, which on AMD's CPUs leaves half of their AVX-512 units unused; oneDNN, which torch has
for convolutions, uses them. Results are the same but for rounding. Elsewhere the product is torch's own.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from ..regular_files import open_regular_file

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_ROWS = 16
"""Below, weights would be copied into another order for little work."""


@cache
def prefers_onednn() -> bool:
    """Whether oneDNN multiplies faster than MKL here: on AMD's CPUs with AVX-512."""
    if not torch.backends.mkldnn.is_available() or find_onednn_product() is None:
        return False
    return "AVX512" in torch.backends.cpu.get_cpu_capability() and "AuthenticAMD" in read_cpu_vendor()


def read_cpu_vendor() -> str:
    """What the system says of the maker of the CPU, such as AuthenticAMD; empty where it says nothing."""
    try:
        with open_regular_file("/proc/cpuinfo") as file:
            head = file.read(4096).decode("utf-8", "replace")
    except OSError:
        return platform.processor()
    return next((line for line in head.splitlines() if line.startswith("vendor_id")), "")


@cache
def find_onednn_product() -> Any:
    """torch's operator, or None in builds without it."""
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., C] times the transpose of weight [O, C], plus bias [O], as torch's linear without gradients."""
    suits = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)
    suits = suits and x.shape[-1] == weight.shape[-1] and x.numel() >= FEWEST_ROWS * x.shape[-1] > 0
    if not prefers_onednn() or not suits:
        return functional.linear(x, weight, bias)
    if not weight.is_contiguous() and not weight.t().is_contiguous():
        weight = weight.contiguous()  # oneDNN has no fast way for others
    bias = None if bias is None else bias.contiguous()
    return find_onednn_product()(x.contiguous(), weight, bias, "none", [], "")


def multiply_each(x: Tensor, weights: Tensor) -> Tensor:
    """x [N, R, C] times weights [N, C, O], one by one, as torch.bmm, without gradients."""
    if not prefers_onednn():
        return torch.bmm(x, weights)
    answer = x.new_empty(*x.shape[:2], weights.shape[2])
    for one, weight, into in zip(x, weights, answer, strict=True):
        into.copy_(multiply(one, weight.t()))
    return answer


class QuickLinear(nn.Linear):
    """A layer in float32 whose products are those of the faster library."""

    def forward(self, input: Tensor) -> Tensor:
        """Multiply [..., C]."""
        floats = input.dtype == self.weight.dtype == torch.float32
        if not floats or is_traced() or learns(input, self.weight, self.bias):
            return super().forward(input)
        return multiply(input, self.weight, self.bias)


def learns(*tensors: Tensor | None) -> bool:
    """Whether one of these gets a gradient."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def is_traced() -> bool:
    """Whether another runtime reads the layers, which has ways of its own."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
