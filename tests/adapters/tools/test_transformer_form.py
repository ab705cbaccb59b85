"""Joined and cut, a transformer's deltas do the same; what cannot be is refused with the reason."""

from __future__ import annotations

import pytest
import torch
from tests.support.transformer_models import PREFIX, make_lora, make_weights, shrink, to_original

from underdrawing.adapters.deltas.base import Delta
from underdrawing.adapters.deltas.dense import Dense
from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.products import Hadamard, Kronecker
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.tools.transformer_form import join_deltas, to_diffusers, to_maker
from underdrawing.core.errors import BadWeights


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


def lora(rows: int, scale: float = 0.5) -> LowRank:
    return LowRank(up=draw(rows, 2), down=draw(2, 6), scale=scale)


def loha(rows: int, scale: float = 0.5) -> Hadamard:
    return Hadamard(w1_a=draw(rows, 2), w1_b=draw(2, 6), w2_a=draw(rows, 2), w2_b=draw(2, 6), scale=scale)


@pytest.mark.parametrize("architecture", sorted(TRANSFORMER_MODELS))
def test_there_and_back_is_the_same_change(architecture: str) -> None:
    modules = shrink(architecture)
    deltas = make_lora(modules)
    maker = to_maker(architecture, deltas)
    weights = make_weights(modules)
    original = to_original(architecture, weights)
    changed = to_original(
        architecture,
        {
            key: deltas[name].apply(value) if (name := f"{PREFIX}{key[:-7]}") in deltas and key.endswith("t") else value
            for key, value in weights.items()
        },
    )
    for name, delta in maker.items():
        key = f"{name.removeprefix(PREFIX)}.weight"
        assert torch.allclose(delta.apply(original[key]), changed[key], atol=1e-5), name
    again = to_diffusers(architecture, {n: d for n, d in maker.items() if n not in deltas})
    for name in again.keys() & deltas.keys():
        shape = weights[f"{name.removeprefix(PREFIX)}.weight"].shape
        assert torch.allclose(
            again[name].change(torch.zeros(shape)), deltas[name].change(torch.zeros(shape)), atol=1e-5
        )


PARTS: dict[str, list[Delta | None]] = {
    "lora": [lora(4), lora(8), lora(4)],
    "lora, one missing": [lora(4), None, lora(4)],
    "lora, other scales": [lora(4, 1.0), lora(8, 0.25), lora(4, 3.0)],
    "loha": [loha(4), loha(8), loha(4)],
    "loha, other scales and one missing": [None, loha(8, 2.0), loha(4)],
    "full": [Dense(diff=draw(4, 6)), None, Dense(diff=draw(4, 6), scale=0.5)],
    "biases": [LowRank(up=draw(n, 1), down=draw(1, 6), bias=draw(n)) for n in (4, 8, 4)],
    "dora": [Dora(inner=lora(n), magnitude=torch.rand(n) + 1, axis="out") for n in (4, 8, 4)],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_joined_changes_are_those_of_the_parts(parts: list[Delta | None]) -> None:
    base, joined = draw(16, 6), join_deltas(parts, [4, 8, 4])
    right = [
        rows if part is None else part.apply(rows) for part, rows in zip(parts, base.split([4, 8, 4]), strict=True)
    ]
    assert torch.allclose(joined.apply(base), torch.cat(right), atol=1e-5)
    biases = [part.bias for part in parts if part is not None and part.bias is not None]
    assert joined.bias is None if not biases else torch.equal(joined.bias, torch.cat(biases))  # type: ignore[arg-type]


def test_one_down_for_all_keeps_the_rank() -> None:
    whole = lora(16)
    parts = [LowRank(up=up, down=whole.down, scale=whole.scale) for up in whole.up.split([4, 8, 4])]
    joined = join_deltas(parts, [4, 8, 4])
    assert isinstance(joined, LowRank)
    assert torch.equal(joined.up, whole.up)
    assert torch.equal(joined.down, whole.down)


REFUSED: dict[str, tuple[list[Delta | None], str]] = {
    "lokr": ([Kronecker(w1=draw(2, 2), w2=draw(2, 3)), None], "lokr of each"),
    "kinds": ([lora(4), loha(4)], "several kinds"),
    "biases of some": ([lora(4), LowRank(up=draw(4, 1), down=draw(1, 6), bias=draw(4))], "only some"),
    "dora of some": ([Dora(inner=lora(4), magnitude=torch.ones(4), axis="out"), None], "have none"),
    "dora along inputs": ([Dora(inner=lora(4), magnitude=torch.ones(1, 6), axis="in")] * 2, "all rows"),
}


@pytest.mark.parametrize(("parts", "says"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_joint_form_is_refused(parts: list[Delta | None], says: str) -> None:
    with pytest.raises(BadWeights, match=says):
        join_deltas(parts, [4, 4])


def test_a_module_that_is_there_twice_is_refused() -> None:
    deltas: dict[str, Delta] = {
        f"{PREFIX}transformer_blocks.0.attn.to_q": lora(6),
        f"{PREFIX}double_blocks.0.img_attn.qkv": lora(18),
    }
    for function in (to_maker, to_diffusers):
        with pytest.raises(BadWeights, match="together with others"):
            function("flux1", deltas)
