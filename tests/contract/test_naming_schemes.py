"""Every naming scheme times every type of adapter: all modules of SD1.5- and SDXL-shaped models are changed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.adapter_kinds import KINDS, ia3, lora
from tests.support.adapter_models import SD15, SDXL, unet

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.modules.layers import UNet
from underdrawing.adapters.modules.spellings import to_ldm_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.adapter_kinds import Tensors
    from torch import Tensor, nn

    from underdrawing.adapters.modules.layers import Module

SHALLOW_SDXL = UNet(SDXL.widths, (0, 2, 2), SDXL.context, middle=2, added=SDXL.added)
"""SDXL's blocks and widths with fewer transformer blocks of the same layers: all ten are changed by plain LoRAs."""
DOTTED = ("unet.{}.", "base_model.model.{}.", "diffusion_model.{}.")


def spelt(shape: UNet, style: str) -> dict[str, str]:
    names = frozenset(shape.modules())
    native = {name: to_ldm_name(name, names) for name in names}
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
def parts(kind: Callable[[Module], Tensors], shape: UNet) -> dict[str, Tensors]:
    """Tensors by module, the same in every spelling."""
    torch.manual_seed(0)
    return {name: kind(module) for name, module in wanted(shape).items()}


def _combinations() -> Iterator[object]:
    """Every kind in every style; IA3's bare suffix `weight` exists in names with underscores only."""
    for kind in KINDS:
        for style in ("kohya", "kohya ldm", *DOTTED):
            if kind is not ia3 or style not in DOTTED:
                yield pytest.param(kind, style, id=f"{kind.__name__}-{style}")


@pytest.mark.parametrize("shape", [SD15, SDXL], ids=["sd15", "sdxl"])
@pytest.mark.parametrize(("kind", "style"), list(_combinations()))
def test_all_modules_are_applied(kind: Callable[[Module], Tensors], style: str, shape: UNet, tmp_path: Path) -> None:
    shape = SHALLOW_SDXL if shape is SDXL and kind is not lora else shape
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
