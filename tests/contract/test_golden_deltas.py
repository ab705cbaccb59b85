"""Every delta against weights that the official packages computed (recipe: tests/golden/adapters/make_deltas.py)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.support.official import sample
from torch import Tensor

from underdrawing.adapters.deltas.base import Delta
from underdrawing.adapters.deltas.build import build
from underdrawing.adapters.deltas.module_tensors import Hints

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "adapters"
FILES = ("lycoris", "peft", "glora_old", "oft_old")
STRENGTHS = (1.0, 0.6, -0.5)
LIMIT = 1e-5


class Case(NamedTuple):
    parts: dict[str, Tensor]
    base: Tensor
    effective: Tensor
    hints: Hints
    bias: Tensor
    bias_effective: Tensor


@lru_cache
def _file(name: str) -> tuple[dict[str, Tensor], dict[str, dict[str, float]]]:
    path = GOLDEN / f"deltas_{name}.safetensors"
    with safe_open(path, "pt") as stream:
        return load_file(path), json.loads(stream.metadata()["hints"])


def _cases(name: str) -> list[str]:
    return sorted({key.split("/")[0] for key in _file(name)[0] if "@" in key})


def _case(name: str, case: str) -> Case:
    tensors, hints = _file(name)
    parts = {key.split("/")[1]: value for key, value in tensors.items() if key.startswith(f"{case}/")}
    effective = parts.pop("__effective")
    layer = case.split("@")[1]
    bias = tensors[f"{layer}/__bias"]
    after = parts.pop("__bias_effective", bias)
    return Case(parts, tensors[f"{layer}/__base"], effective, Hints(**hints.get(case, {})), bias, after)  # type: ignore[arg-type]


def error(found: Tensor, expected: Tensor) -> float:
    """Largest relative error of the whole, by norm."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def made(parts: dict[str, Tensor], hints: Hints | None = None) -> Delta:
    delta, used, problems = build(parts, hints or Hints())
    assert not problems
    assert set(used) == set(parts)
    assert delta is not None
    return delta


ALL = [(name, case) for name in FILES for case in _cases(name)]


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{n}-{c}" for n, c in ALL])
def test_equals_the_official_package(name: str, case: str) -> None:
    """The oracle holds strength 1; other strengths are linear from the base by our definition (DoRA: spec 2)."""
    golden = _case(name, case)
    delta = made(golden.parts, golden.hints)
    change = golden.effective - golden.base
    assert error(delta.apply(golden.base) - golden.base, change) <= LIMIT
    for strength in STRENGTHS:
        assert error(delta.apply(golden.base, strength), golden.base + strength * change) <= LIMIT
        expected = golden.bias + strength * (golden.bias_effective - golden.bias)
        after = delta.apply_bias(golden.bias, strength)
        assert after is not None
        assert error(after, expected) <= LIMIT


@pytest.mark.parametrize(("name", "case"), [c for c in ALL if "@c1" in c[1]], ids=lambda v: str(v))
def test_a_1x1_convolution_is_a_linear_layer(name: str, case: str) -> None:
    golden = _case(name, case)
    delta = made(golden.parts, golden.hints)
    found = delta.apply(golden.base[..., 0, 0])
    assert found.shape == (16, 12)
    assert error(found, golden.effective[..., 0, 0]) <= LIMIT


@pytest.mark.parametrize(("name", "case"), [c for c in ALL if "@lin" in c[1]], ids=lambda v: str(v))
def test_a_linear_file_fits_a_1x1_convolution(name: str, case: str) -> None:
    golden = _case(name, case)
    found = made(golden.parts, golden.hints).apply(golden.base[..., None, None])
    assert error(found, golden.effective[..., None, None]) <= LIMIT


@pytest.mark.parametrize("strength", STRENGTHS)
def test_shared_single_layers(strength: float) -> None:
    """24 layers of lycoris-lora 4.1.3 by its forward.

    At strengths other than 1 LyCORIS scales DoRA from V = W + D, interpolates each stage of BOFT, and multiplies all
    of W by an OFT's rescale: none of these gives W at 0. There the expected weight is linear from the vector at 1.
    """
    tensors = load_file(sample("lycoris/single_layer_vectors.safetensors"))
    cases = sorted({key.split("@")[0] for key in tensors})
    assert len(cases) == 24
    for case in cases:
        start = f"{case}@{strength}."
        parts = {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}
        base, effective = parts.pop("__base"), parts.pop("__effective")
        if case.startswith(("dora", "boft", "oft_rescaled")) and strength != 1:
            one = {key: value for key, value in tensors.items() if key.startswith(f"{case}@1.0.")}
            assert torch.equal(one[f"{case}@1.0.__base"], base)
            effective = base + strength * (one[f"{case}@1.0.__effective"] - base)
        assert error(made(parts).apply(base, strength), effective) <= LIMIT, case


@pytest.mark.parametrize("net", ["locon", "loha", "lokr", "locon_dora"])
def test_shared_networks_are_read_whole(net: str) -> None:
    tensors = load_file(sample(f"lycoris/net_{net}.safetensors"))
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, suffix = key.split(".", 1)
        modules.setdefault(name, {})[suffix] = tensor
    kind = {"locon": "lora", "locon_dora": "dora"}.get(net, net)
    deltas = [made(parts) for parts in modules.values()]
    assert {delta.algorithm for delta in deltas} == {kind}
    assert len(deltas) == 354


@pytest.mark.parametrize(
    ("file", "expected", "strength", "alpha", "prefix"),
    [
        ("lora/pytorch_lora_weights", "lora_delta_fuse0.6", 0.6, 2.0, "unet."),
        ("pm_lora/adapter_model", "pm_lora_delta", 1.0, 2.0, "base_model.model."),
    ],
)
def test_shared_peft_files(file: str, expected: str, strength: float, alpha: float, prefix: str) -> None:
    """The pipeline file does not hold its alpha of 2 (rank 4): it is given, as metadata would."""
    tensors = load_file(sample(f"peft/{file}.safetensors"))
    changes: dict[str, Tensor] = torch.load(sample(f"peft/{expected}.pt"), weights_only=True)
    assert len(changes) == 128
    for name, change in changes.items():
        module = prefix + name.removesuffix(".weight")
        parts = {k[len(module) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{module}.")}
        delta = made(parts, Hints(alpha=alpha))
        assert error(strength * delta.change(torch.zeros_like(change)), change) <= LIMIT, name
