"""Every naming scheme times every type of adapter: all modules of SD1.5- and SDXL-shaped models are changed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.adapter_models import SD15, SDXL, unet

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.modules.spellings import ldm_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from underdrawing.adapters.modules.layers import Module, UNet

RANK = 2
Made = dict[str, "Tensor"]


def rand(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.1


def sizes(module: Module) -> tuple[int, int, tuple[int, ...]]:
    out, inner, *kernel = module.shape
    return out, inner, tuple(kernel)


def lora(module: Module) -> Made:
    out, inner, kernel = sizes(module)
    ones = (1,) * len(kernel)
    return {"lora_down.weight": rand(RANK, inner, *kernel), "lora_up.weight": rand(out, RANK, *ones)}


def tucker(module: Module) -> Made:
    out, inner, kernel = sizes(module)
    if not kernel:
        return lora(module)
    return {
        "lora_down.weight": rand(RANK, inner, 1, 1),
        "lora_mid.weight": rand(RANK, RANK, *kernel),
        "lora_up.weight": rand(out, RANK, 1, 1),
    }


def loha(module: Module) -> Made:
    out, inner, kernel = sizes(module)
    cols = inner * (kernel[0] * kernel[1] if kernel else 1)
    pairs = [(f"hada_w{n}_a", rand(out, RANK)) for n in (1, 2)] + [(f"hada_w{n}_b", rand(RANK, cols)) for n in (1, 2)]
    return dict(pairs)


def lokr(module: Module) -> Made:
    out, inner, kernel = sizes(module)
    return {"lokr_w1": rand(2, 2), "lokr_w2": rand(out // 2, inner // 2, *kernel)}


def dora(module: Module) -> Made:
    ones = (1,) * (len(module.shape) - 1)
    return {**lora(module), "dora_scale": rand(module.shape[0], *ones) + 1}


def full(module: Module) -> Made:
    return {"diff": rand(*module.shape), "diff_b": rand(module.shape[0])}


def ia3(module: Module) -> Made:
    ones = (1,) * (len(module.shape) - 2)
    weight = rand(module.shape[0]) if len(module.shape) == 2 else rand(1, module.shape[0], *ones)
    return {"weight": weight, "on_input": torch.tensor(0)}


def glora(module: Module) -> Made:
    out, inner, kernel = sizes(module)
    ones = (1,) * len(kernel)
    return {
        "a1.weight": rand(inner, RANK, *ones),
        "a2.weight": rand(RANK, inner, *ones),
        "b1.weight": rand(out, RANK, *ones),
        "b2.weight": rand(RANK, inner, *kernel),
    }


def oft(module: Module) -> Made:
    return {"oft_blocks": rand(module.shape[0] // 4, 4, 4)}


def boft(module: Module) -> Made:
    return {"oft_blocks": rand(1, module.shape[0] // 4, 4, 4)}


TYPES: tuple[Callable[[Module], Made], ...] = (lora, tucker, loha, lokr, dora, full, ia3, glora, oft, boft)
DOTTED = ("unet.{}.", "base_model.model.{}.", "diffusion_model.{}.")


def spelt(shape: UNet, style: str) -> dict[str, str]:
    names = frozenset(shape.modules())
    native = {name: ldm_name(name, names) for name in names}
    match style:
        case "kohya":
            return {name: f"lora_unet_{name.replace('.', '_')}." for name in names}
        case "kohya ldm":
            return {name: f"lora_unet_{native[name].replace('.', '_')}." for name in names}
        case _:
            return {n: style.format(native[n] if style.startswith("diffusion") else n) for n in names}


@cache
def whole(shape: UNet) -> tuple[nn.Module, dict[str, Tensor]]:
    """A model for all tests of its shape, each of which puts it back, and a copy of its weights."""
    model = unet(shape)
    return model, {name: tensor.clone() for name, tensor in model.state_dict().items()}


@cache
def wanted(shape: UNet) -> dict[str, Module]:
    return {n: m for n, m in shape.modules().items() if m.kind in ("Linear", "Conv2d") and min(m.shape[:2]) > 4}


@cache
def parts(kind: Callable[[Module], Made], shape: UNet) -> dict[str, Made]:
    """Tensors by module, the same in every spelling."""
    torch.manual_seed(0)
    return {name: kind(module) for name, module in wanted(shape).items()}


@pytest.mark.parametrize("shape", [SD15, SDXL], ids=["sd15", "sdxl"])
@pytest.mark.parametrize("style", ["kohya", "kohya ldm", *DOTTED])
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_all_modules_are_applied(kind: Callable[[Module], Made], style: str, shape: UNet, tmp_path: Path) -> None:
    if kind is ia3 and style in DOTTED:
        pytest.skip("IA3's bare suffix `weight` exists in names with underscores only")
    prefixes, made = spelt(shape, style), parts(kind, shape)
    tensors = {f"{prefixes[name]}{suffix}": tensor for name in made for suffix, tensor in made[name].items()}
    save_file(tensors, tmp_path / "a.safetensors")
    model, before = whole(shape)
    try:
        with Patcher(unet=model) as patcher:
            receipt = patcher.set([(load_adapter(tmp_path / "a.safetensors"), 0.7, 1.0)])
            assert (receipt.applied, receipt.skipped) == (len(tensors), 0), str(receipt)
            after = model.state_dict()
            unchanged = [name for name in made if torch.equal(after[f"{name}.weight"], before[f"{name}.weight"])]
            assert not unchanged
            assert all(torch.isfinite(after[f"{name}.weight"]).all() for name in made)
        again = model.state_dict()
        assert again.keys() == before.keys()
        assert all(torch.equal(again[name], before[name]) for name in before)
    except BaseException:
        whole.cache_clear()  # what failed leaves nothing to the next
        raise
