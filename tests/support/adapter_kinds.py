"""Tensors of every kind of adapter for a layer, by the suffixes they have in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from underdrawing.adapters.modules.layers import Module

RANK = 2
Tensors = dict[str, "Tensor"]


def rand(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.1


def sizes(module: Module) -> tuple[int, int, tuple[int, ...]]:
    out, inner, *kernel = module.shape
    return out, inner, tuple(kernel)


def lora(module: Module) -> Tensors:
    out, inner, kernel = sizes(module)
    ones = (1,) * len(kernel)
    return {"lora_down.weight": rand(RANK, inner, *kernel), "lora_up.weight": rand(out, RANK, *ones)}


def tucker(module: Module) -> Tensors:
    out, inner, kernel = sizes(module)
    if not kernel:
        return lora(module)
    return {
        "lora_down.weight": rand(RANK, inner, 1, 1),
        "lora_mid.weight": rand(RANK, RANK, *kernel),
        "lora_up.weight": rand(out, RANK, 1, 1),
    }


def loha(module: Module) -> Tensors:
    out, inner, kernel = sizes(module)
    cols = inner * (kernel[0] * kernel[1] if kernel else 1)
    pairs = [(f"hada_w{n}_a", rand(out, RANK)) for n in (1, 2)] + [(f"hada_w{n}_b", rand(RANK, cols)) for n in (1, 2)]
    return dict(pairs)


def lokr(module: Module) -> Tensors:
    out, inner, kernel = sizes(module)
    return {"lokr_w1": rand(2, 2), "lokr_w2": rand(out // 2, inner // 2, *kernel)}


def dora(module: Module) -> Tensors:
    ones = (1,) * (len(module.shape) - 1)
    return {**lora(module), "dora_scale": rand(module.shape[0], *ones) + 1}


def full(module: Module) -> Tensors:
    return {"diff": rand(*module.shape), "diff_b": rand(module.shape[0])}


def ia3(module: Module) -> Tensors:
    ones = (1,) * (len(module.shape) - 2)
    weight = rand(module.shape[0]) if len(module.shape) == 2 else rand(1, module.shape[0], *ones)
    return {"weight": weight, "on_input": torch.tensor(0)}


def glora(module: Module) -> Tensors:
    out, inner, kernel = sizes(module)
    ones = (1,) * len(kernel)
    return {
        "a1.weight": rand(inner, RANK, *ones),
        "a2.weight": rand(RANK, inner, *ones),
        "b1.weight": rand(out, RANK, *ones),
        "b2.weight": rand(RANK, inner, *kernel),
    }


def oft(module: Module) -> Tensors:
    return {"oft_blocks": rand(module.shape[0] // 4, 4, 4)}


def boft(module: Module) -> Tensors:
    return {"oft_blocks": rand(1, module.shape[0] // 4, 4, 4)}


KINDS: tuple[Callable[[Module], Tensors], ...] = (lora, tucker, loha, lokr, dora, full, ia3, glora, oft, boft)
