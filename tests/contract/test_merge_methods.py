"""One suite over every merge method: its formula written out, its ends, and results that depend on nothing else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import UNET, apply_node, is_merged, save, tiny
from tests.support.command_line import quiet
from torch import Tensor

from underdrawing.checkpoints import values as values_module
from underdrawing.checkpoints.arithmetic.chance import draw_uniform
from underdrawing.checkpoints.arithmetic.filters import GAUSSIAN
from underdrawing.checkpoints.merging import merge
from underdrawing.checkpoints.method_registry import MethodType, methods
from underdrawing.core.params import describe_fields

__all__ = ["quiet"]
EVERY = list(methods())
every = pytest.mark.parametrize("method", EVERY, ids=lambda method: method.spec.id)
Models = list[Tensor]
Formula = Callable[..., Tensor]


def count(method: MethodType) -> int:
    """Inputs that it is tried with."""
    return 3 if method.spec.more else len(method.spec.inputs)


def by_column(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return ((a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0))).nan_to_num(0)


def cosine(a: Tensor, b: Tensor, alpha: float, similarity: Tensor) -> Tensor:
    k = 1 - (similarity - alpha).clamp(0, 1)
    return (a.reshape(len(a), -1) * (1 - k) + b.reshape(len(b), -1) * k).reshape(a.shape)


def cosine_a(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return cosine(a, b, alpha, by_column(a, b))


def cosine_b(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return cosine(a, b, alpha, (by_column(a, b) + (a * b).sum() / (a.norm() * b.norm())) / 2)


def slerp(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    angle = torch.acos(((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1))
    one, other = torch.sin((1 - alpha) * angle) * a / a.norm(), torch.sin(alpha * angle) * b / b.norm()
    return (one + other) / torch.sin(angle) * (a.norm() * (1 - alpha) + b.norm() * alpha)


def train_difference(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor:
    change, distance = (b - c).abs(), (b - a).abs()
    share = distance / (change + distance)
    return a + torch.sign(b - c) * share.nan_to_num(0) * change * 1.8 * alpha


def extract(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, gamma: float) -> Tensor:
    one, other = b - a, c - a
    length = (one.norm(dim=-1) * other.norm(dim=-1)).clamp(min=1e-8)
    alike = (((one * other).sum(-1) / length).clamp(-1, 1) + 1) / 2
    alike = (alike**gamma).unsqueeze(-1)
    return a + (one * (1 - alpha) + other * alpha) * (alike * (1 - beta) + (1 - alike) * beta)


def geometric_mean(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return (a.to(torch.complex128) ** (1 - alpha) * b.to(torch.complex128) ** alpha).real


def geometric_median(a: Tensor, b: Tensor, c: Tensor, strength: float, steps: int) -> Tensor:
    points, median = torch.stack([a, b, c]), (a + b + c) / 3
    for _ in range(steps):
        weights = 1 / torch.stack([(p - median).norm() for p in points]).clamp(min=1e-12)
        median = (points * (weights / weights.sum()).view(-1, *(1,) * a.ndim)).sum(0)
    return a + (median - a) * strength


def model_stock(a: Tensor, b: Tensor, c: Tensor, strength: float) -> Tensor:
    one, other = b - a, c - a
    near = (one * other).sum() / (one.norm() * other.norm())
    ratio = (2 * near / (1 + near)).clamp(min=0)
    return a + ((b + c) / 2 - a) * ratio * strength


def perpendicular(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor:
    change, own = b - c, a - c
    return a + (change - own * (change * own).sum() / (own * own).sum()) * alpha


def ties(a: Tensor, b: Tensor, c: Tensor, alpha: float, density: float) -> Tensor:
    changes: Models = []
    for other in (b, c):
        change = (other.float() - a.float()).double()
        least = change.abs().flatten().sort(descending=True).values[math.ceil(density * change.numel()) - 1]
        changes.append(torch.where(change.abs() >= least, change, 0))
    sign = torch.sign(changes[0] + changes[1])
    agree = [torch.where(torch.sign(change) == sign, change, 0) for change in changes]
    number = sum(((torch.sign(change) == sign) & (change != 0)).double() for change in changes)
    return a + alpha * (agree[0] + agree[1]) / torch.as_tensor(number).clamp(min=1)


def dare(a: Tensor, b: Tensor, c: Tensor, alpha: float, density: float, seed: int, key: str) -> Tensor:
    total = torch.zeros_like(a)
    for number, other in enumerate((b, c)):
        kept = draw_uniform(f"{seed}/{number}/{key}", 0, a.numel()).view(a.shape) < density
        total += torch.where(kept, (other - a) / density, 0)
    return a + alpha * total


def della(a: Tensor, b: Tensor, c: Tensor, alpha: float, density: float, epsilon: float, seed: int, key: str) -> Tensor:
    total = torch.zeros_like(a)
    for number, other in enumerate((b, c)):
        change = (other.float() - a.float()).double().reshape(len(a), -1)
        ranks = change.abs().argsort(dim=1, stable=True).argsort(dim=1)
        width = change.shape[1]
        chance = density + epsilon * (ranks / (width - 1) - 0.5) if width > 1 else torch.full_like(change, density)
        chance = chance.clamp(0.01, 1)
        drawn = draw_uniform(f"{seed}/{number}/{key}", 0, a.numel()).view(change.shape)
        total += torch.where(drawn < chance, change / chance, 0).view(a.shape)
    return a + alpha * total


def tensor(a: Tensor, b: Tensor, alpha: float, beta: float) -> Tensor:
    n, result = len(a), a.clone()
    for row in range(int(n * beta), int(n * (alpha + beta))):
        result[row % n] = b[row % n]
    return result


def smooth_add(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor:
    return a + alpha * blurred(middle((b.float() - c.float()).double()))


def at(change: Tensor, place: tuple[int, ...]) -> float:
    """An element of a tensor that is mirrored at its borders."""
    own: list[int] = []
    for index, size in zip(place, change.shape, strict=True):
        index %= 2 * size
        own.append(index if index < size else 2 * size - 1 - index)
    return float(change[tuple(own)])


def middle(change: Tensor) -> Tensor:
    result = torch.empty_like(change)
    for place in itertools.product(*map(range, change.shape)):
        around = itertools.product(*([i - 1, i, i + 1] for i in place))
        values = sorted(at(change, one) for one in around)
        result[place] = values[len(values) // 2]
    return result


def blurred(change: Tensor) -> Tensor:
    for axis in range(change.ndim):
        result = torch.empty_like(change)
        for place in itertools.product(*map(range, change.shape)):
            line = [(*place[:axis], place[axis] + shift, *place[axis + 1 :]) for shift in range(-4, 5)]
            result[place] = sum(tap * at(change, one) for tap, one in zip(GAUSSIAN, line, strict=True))
        change = result
    return change


def add_difference(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor:
    return a + (b - c) * alpha


def max_interpolation(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return a + (torch.maximum(a, b) - a) * alpha


def min_interpolation(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return a + (torch.minimum(a, b) - a) * alpha


def n_average(a: Tensor, b: Tensor, c: Tensor, strength: float) -> Tensor:
    return a + ((a + b + c) / 3 - a) * strength


def no_interpolation(a: Tensor) -> Tensor:
    return a


def times(a: Tensor, alpha: float) -> Tensor:
    return a * alpha


def sigmoid_interpolation(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return a + (b - a) * alpha**2 * (3 - 2 * alpha)


def sum_twice(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    return (a * (1 - alpha) + b * alpha) * (1 - beta) + c * beta


def triple_sum(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    return a * (1 - alpha - beta) + b * alpha + c * beta


def weight_clipping(a: Tensor, b: Tensor, c: Tensor, strength: float) -> Tensor:
    return a + (a.clamp(torch.minimum(b, c), torch.maximum(b, c)) - a) * strength


def weighted_sum(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return a * (1 - alpha) + b * alpha


FORMULAS: dict[str, Formula] = {
    "add_difference": add_difference,
    "cosine_a": cosine_a,
    "cosine_b": cosine_b,
    "dare": dare,
    "della": della,
    "extract": extract,
    "geometric_mean": geometric_mean,
    "geometric_median": geometric_median,
    "max_interpolation": max_interpolation,
    "min_interpolation": min_interpolation,
    "model_stock": model_stock,
    "n_average": n_average,
    "no_interpolation": no_interpolation,
    "perpendicular_add_difference": perpendicular,
    "self": times,
    "sigmoid_interpolation": sigmoid_interpolation,
    "slerp": slerp,
    "smooth_add": smooth_add,
    "sum_twice": sum_twice,
    "tensor": tensor,
    "ties": ties,
    "train_difference": train_difference,
    "triple_sum": triple_sum,
    "weight_clipping": weight_clipping,
    "weighted_sum": weighted_sum,
}
VALUES = {
    "alpha": 0.35, "beta": 0.25, "gamma": 1.5, "strength": 0.7, "density": 0.4, "epsilon": 0.3, "seed": 5, "steps": 60,
}  # fmt: skip


def params(method: MethodType) -> dict[str, Any]:
    return {field.name: VALUES[field.name] for field in describe_fields(method.params_type)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [save(folder / f"{n}.safetensors", tiny(n, dtype=torch.float32)) for n in range(3)]


def run(method: MethodType, files: list[Path], out: Path, **fields: Any) -> dict[str, Tensor]:
    chosen = {**params(method), **fields}
    merge(apply_node(method.spec.id, *files[: count(method)], **chosen), out)
    return load_file(out)


def test_every_method_has_its_formula_here() -> None:
    assert set(FORMULAS) == {method.spec.id for method in EVERY}
    assert not methods().broken


@every
def test_results_are_those_of_the_formula(method: MethodType, files: list[Path], tmp_path: Path) -> None:
    found = run(method, files, tmp_path / "o.safetensors")
    models, formula = [tiny(n, dtype=torch.float32) for n in range(count(method))], FORMULAS[method.spec.id]
    for key, own in found.items():
        if not is_merged(key):
            assert torch.equal(own, models[0][key])
            continue
        if method.spec.id == "smooth_add" and own.numel() > 300:
            continue  # the formula is written for clarity
        given = params(method) | ({"key": key} if method.spec.id in ("dare", "della") else {})
        wanted = formula(*(model[key].double() for model in models), **given)
        assert torch.allclose(own.double(), wanted, rtol=1e-5, atol=2e-6), key


@every
def test_results_do_not_depend_on_the_chunks(
    method: MethodType, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(method, files, tmp_path / "o.safetensors")
    monkeypatch.setattr(values_module, "ELEMENTS", 64)
    pieces = run(method, files, tmp_path / "p.safetensors")
    for key, own in whole.items():
        exact = method.spec.id not in MEASURED
        same = torch.equal(own, pieces[key]) if exact else torch.allclose(own, pieces[key], rtol=1e-5, atol=1e-7)
        assert same, key


MEASURED = {
    *("cosine_a", "cosine_b", "slerp", "geometric_median", "model_stock", "perpendicular_add_difference", "extract"),
}
"""Sums are added up in another order; the chunks of a merge are always the same."""


@every
def test_weight_zero_gives_the_first_model_to_the_bit(method: MethodType, files: list[Path], tmp_path: Path) -> None:
    fields = {field.name for field in describe_fields(method.params_type)}
    zero = {name: 0 for name in (method.spec.weight, "beta") if name in fields}
    if method.spec.id in ("self", "cosine_a", "cosine_b", "extract"):
        pytest.skip("its weight says something else than how much of the others goes in")
    found = run(method, files, tmp_path / "o.safetensors", **zero)
    model = tiny(0, dtype=torch.float32)
    assert all(torch.equal(tensor.view(torch.uint8), model[key].view(torch.uint8)) for key, tensor in found.items())


@every
def test_equal_models_give_themselves(method: MethodType, files: list[Path], tmp_path: Path) -> None:
    if method.spec.id == "self":
        pytest.skip("it scales")
    found = run(method, [files[0]] * 3, tmp_path / "o.safetensors")
    model = tiny(0, dtype=torch.float32)
    near = 2e-7 if method.spec.id in ("slerp", "geometric_mean") else 0
    assert all(torch.allclose(tensor, model[key], rtol=near, atol=near) for key, tensor in found.items())


@every
def test_blocks_weigh_every_method(method: MethodType, files: list[Path], tmp_path: Path) -> None:
    if method.spec.weight not in {field.name for field in describe_fields(method.params_type)}:
        pytest.skip("it has no weight")
    low, high = 0.2, 0.8
    values = ",".join([str(low)] * 13 + [str(high)] * 13)
    found = run(method, files, tmp_path / "o.safetensors", blocks=values)
    first, last = f"{UNET}input_blocks.3.0.in_layers.2.bias", f"{UNET}out.2.weight"
    for key, weight in ((first, low), (last, high)):
        alone = run(method, files, tmp_path / "p.safetensors", **{method.spec.weight: weight})
        assert torch.equal(found[key], alone[key])
