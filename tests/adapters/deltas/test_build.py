"""From suffixes to a delta: every suffix is used or answered, and what is unsound is refused by name."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from underdrawing.adapters.deltas.build import build
from underdrawing.adapters.deltas.dense import BiasOnly, Dense, Norm, SetWeight, Sum
from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.module_tensors import Hints, is_finite
from underdrawing.adapters.deltas.products import Kronecker
from underdrawing.adapters.deltas.rotations import BOFT, OFT, PeftBOFT, PeftOFT, RotationOFT
from underdrawing.adapters.deltas.scaling import IA3, GLoRA, PeftIA3
from underdrawing.core.errors import BadWeights

ONE = torch.tensor(1.0)


def lora(**extra: Tensor) -> dict[str, Tensor]:
    return {"lora_up.weight": torch.randn(6, 2), "lora_down.weight": torch.randn(2, 4), **extra}


def reason(tensors: dict[str, Tensor], suffix: str, hints: Hints | None = None) -> str:
    """Why a module was refused, as told for one suffix; all suffixes must have been answered."""
    built = build(tensors, hints or Hints())
    assert built.delta is None
    assert built.used == ()
    assert set(built.problems) == set(tensors)
    return built.problems[suffix]


@pytest.mark.parametrize(
    ("alpha", "hints", "scale"),
    [
        (None, Hints(), 1.0),
        (4.0, Hints(), 2.0),
        (4, Hints(), 2.0),
        (0.0, Hints(), 0.0),
        (4.0, Hints(alpha=1.0), 0.5),
        (None, Hints(alpha=1.0), 0.5),
        (None, Hints(alpha=1.0, stabilised=True), 1 / math.sqrt(2)),
    ],
)
def test_alpha(alpha: float | None, hints: Hints, scale: float) -> None:
    tensors = lora() if alpha is None else lora(alpha=torch.tensor(alpha))
    delta, used, problems = build(tensors, hints)
    assert isinstance(delta, LowRank)
    assert delta.scale == pytest.approx(scale)
    assert set(used) == set(tensors)
    assert not problems


def test_alpha_as_a_list_of_one_and_the_scale_of_a1111() -> None:
    delta = build(lora(alpha=torch.tensor([4.0]), scale=torch.tensor(0.25))).delta
    assert isinstance(delta, LowRank)
    assert delta.scale == 0.25


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (torch.ones(3), r"\[3\]"),
        (torch.ones(0), r"\[0\]"),
        (torch.tensor(math.nan), "nan"),
        (torch.tensor(math.inf), "inf"),
        (torch.tensor(True), "bool"),
        (torch.tensor(1j), "complex"),
    ],
)
def test_odd_alphas_are_refused(bad: Tensor, word: str) -> None:
    import re

    told = reason(lora(alpha=bad), "alpha")
    assert "alpha" in told
    assert re.search(word, told)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool, torch.complex64])
def test_factors_must_be_floating_point(dtype: torch.dtype) -> None:
    tensors = lora()
    tensors["lora_up.weight"] = torch.ones(6, 2).to(dtype)
    assert "lora_up.weight holds" in reason(tensors, "lora_down.weight")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e5m2])
def test_factors_must_be_finite(value: float, dtype: torch.dtype) -> None:
    tensors = lora()
    tensors["lora_down.weight"] = torch.zeros(2, 4)
    tensors["lora_down.weight"][1, 3] = value
    tensors["lora_down.weight"] = tensors["lora_down.weight"].to(dtype)
    assert "lora_down.weight holds NaN or infinite" in reason(tensors, "lora_up.weight")
    assert build(tensors, check_finite=False).delta is not None


@given(st.lists(st.floats(width=32), min_size=1, max_size=8), st.integers(0, 3))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_finite_agrees_with_the_elements(values: list[float], copies: int) -> None:
    tensor = torch.tensor(values * (copies + 1), dtype=torch.float32)
    assert is_finite(tensor) == all(math.isfinite(v) for v in values)


def test_finite_survives_a_sum_that_overflows_and_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_finite(torch.full((9,), 3e38))
    assert is_finite(torch.ones(9).t())
    monkeypatch.setattr("underdrawing.adapters.deltas.module_tensors._CHUNK", 4)
    assert is_finite(torch.ones(9))
    assert not is_finite(torch.cat([torch.ones(8), torch.tensor([math.nan])]))


PAIRS = [
    ("lora_up.weight", "lora_down.weight"), ("lora_B.weight", "lora_A.weight"), ("lora.up.weight", "lora.down.weight"),
    ("lora_linear_layer.up.weight", "lora_linear_layer.down.weight"), ("lora_B", "lora_A"),
]  # fmt: skip


@pytest.mark.parametrize(("up", "down"), PAIRS)
def test_spellings_of_lora(up: str, down: str) -> None:
    delta, used, problems = build({up: torch.randn(6, 2), down: torch.randn(2, 4)})
    assert isinstance(delta, LowRank)
    assert delta.rank == 2
    assert set(used) == {up, down}
    assert not problems


@pytest.mark.parametrize(
    ("magnitude", "suffix", "axis"),
    [
        (torch.ones(6, 1), "dora_scale", "out"),
        (torch.ones(1, 4), "dora_scale", "in"),
        (torch.ones(6), "dora_scale", "out"),
        (torch.ones(6, 1, 1, 1), "dora_scale", "out"),
        (torch.ones(1, 4, 1, 1), "dora_scale", "in"),
        (torch.ones(1, 6, 1, 1), "dora_scale", "out"),
        (torch.ones(6), "lora_magnitude_vector", "out"),
        (torch.ones(1, 6, 1, 1), "lora_magnitude_vector", "out"),
        (torch.ones(6), "lora_magnitude_vector.weight", "out"),
    ],
)
def test_the_axis_of_dora(magnitude: Tensor, suffix: str, axis: str) -> None:
    delta = build(lora(**{suffix: magnitude})).delta
    assert isinstance(delta, Dora)
    assert delta.axis == axis
    delta.check((6, 4))


def test_the_axis_of_dora_on_a_square_layer() -> None:
    square = {"lora_up.weight": torch.randn(4, 2), "lora_down.weight": torch.randn(2, 4)}
    inner = build({**square, "dora_scale": torch.ones(1, 4)}).delta
    outer = build({**square, "dora_scale": torch.ones(4, 1)}).delta
    assert isinstance(inner, Dora)
    assert isinstance(outer, Dora)
    assert (inner.axis, outer.axis) == ("in", "out")


KINDS: list[tuple[dict[str, Tensor], type]] = [
    ({"lora_up.weight": torch.ones(4, 2, 1, 1), "lora_mid.weight": torch.ones(2, 2, 3, 3),
      "lora_down.weight": torch.ones(2, 4, 1, 1), "alpha": ONE}, LowRank),
    ({"lokr_w1": torch.ones(2, 2), "lokr_w2": torch.ones(2, 2), "alpha": ONE}, Kronecker),
    ({"oft_blocks": torch.ones(2, 2, 2), "alpha": ONE, "rescale": torch.ones(4, 1)}, OFT),
    ({"oft_blocks": torch.ones(2, 2, 2, 2), "alpha": torch.tensor(0)}, BOFT),
    ({"oft_diag": torch.ones(2, 2, 2), "alpha": ONE}, RotationOFT),
    ({"weight": torch.ones(4), "on_input": torch.tensor(1)}, IA3),
    ({"ia3_l": torch.ones(4, 1)}, PeftIA3),
    ({"oft_R.weight": torch.ones(2, 1)}, PeftOFT),
    ({"boft_R": torch.ones(1, 2, 2, 2), "boft_s": torch.ones(4, 1)}, PeftBOFT),
    ({"diff": torch.ones(4, 4), "diff_b": torch.ones(4)}, Dense),
    ({"diff": torch.ones(4, 4), "dora_scale": torch.ones(4, 1)}, Dora),
    ({"diff_b": torch.ones(4)}, BiasOnly),
    ({"w_norm": torch.ones(4), "b_norm": torch.ones(4)}, Norm),
    ({"b_norm": torch.ones(4)}, BiasOnly),
    ({"set_weight": torch.ones(4, 4)}, SetWeight),
    ({**lora(), "diff": torch.ones(6, 4)}, Sum),
    ({**lora(), "bias": torch.ones(6, 4), "scale": ONE}, Sum),
    ({"a1.weight": torch.ones(4, 2), "a2.weight": torch.ones(2, 4), "b1.weight": torch.ones(6, 2),
      "b2.weight": torch.ones(2, 4), "alpha": ONE}, GLoRA),
]  # fmt: skip


@pytest.mark.parametrize(("tensors", "kind"), KINDS, ids=lambda v: v.__name__ if isinstance(v, type) else "+".join(v))
def test_types_by_suffix(tensors: dict[str, Tensor], kind: type) -> None:
    delta, used, problems = build(tensors)
    assert isinstance(delta, kind)
    assert set(used) == set(tensors)
    assert not problems


def test_the_weight_shaped_bias_of_a1111_is_scaled_with_the_factors() -> None:
    tensors = lora(alpha=torch.tensor(4.0), bias=torch.ones(6, 4))
    delta = build(tensors).delta
    assert delta is not None
    product = tensors["lora_up.weight"] @ tensors["lora_down.weight"]
    assert torch.allclose(delta.change(torch.zeros(6, 4)), 2 * (product + 1))


def test_the_bias_of_peft_is_scaled_and_diff_b_is_not() -> None:
    peft = build({"lora_B.weight": torch.ones(6, 2), "lora_A.weight": torch.ones(2, 4), "lora_B.bias": torch.ones(6)},
                 Hints(alpha=4.0)).delta  # fmt: skip
    kohya = build(lora(alpha=torch.tensor(4.0), diff_b=torch.ones(6))).delta
    assert peft is not None
    assert kohya is not None
    assert peft.apply_bias(None) is not None
    assert torch.equal(peft.apply_bias(None), torch.full((6,), 2.0))  # type: ignore[arg-type]
    assert torch.equal(kohya.apply_bias(None), torch.ones(6))  # type: ignore[arg-type]


def test_glora_layouts() -> None:
    new = {"a1.weight": (8, 2), "a2.weight": (2, 8), "b1.weight": (6, 2), "b2.weight": (2, 8)}
    old = {"a1.weight": (2, 8), "a2.weight": (8, 2), "b1.weight": (2, 8), "b2.weight": (6, 2)}
    for shapes, layout, square in ((new, "new", False), (old, "old", False), (new, "new", True), (old, "old", True)):
        sizes = {k: tuple(8 if n == 6 and square else n for n in v) for k, v in shapes.items()}
        delta = build({k: torch.ones(v) for k, v in sizes.items()}).delta
        assert isinstance(delta, GLoRA)
        assert (delta.layout, delta.rank) == (layout, 2)
        delta.check((8 if square else 6, 8))
    broken = {k: torch.ones(3, 5) for k in new}
    assert "no rank" in reason(broken, "a1.weight")


@pytest.mark.parametrize(
    ("factor", "hint", "side"),
    [
        (torch.ones(6, 1), None, False),
        (torch.ones(1, 4), None, True),
        (torch.ones(1, 4), False, True),
        (torch.ones(1, 4, 1, 1), True, True),
        (torch.ones(1, 6, 1, 1), None, None),
    ],
)
def test_the_side_of_peft_ia3(factor: Tensor, hint: bool | None, side: bool | None) -> None:
    delta = build({"ia3_l": factor}, Hints(on_input=hint)).delta
    assert isinstance(delta, PeftIA3)
    assert delta.on_input is side
    delta.check((6, 4, 3, 3))


@pytest.mark.parametrize(
    ("suffix", "word"),
    [
        ("lora_A.0", "DyLoRA"),
        ("lora_B.13", "DyLoRA"),
        ("lora_embedding_A", "embedding"),
        ("oft_embedding_R.weight", "embedding"),
        ("reshape_weight", "factors are for another weight"),
        ("lambda_layer", "T-LoRA"),
        ("bias_indices", "sparse"),
        ("vera_lambda_b", "PEFT"),
        ("modules_to_save.weight", "trained in full"),
    ],
)
def test_refused_by_name(suffix: str, word: str) -> None:
    tensors = lora(**{suffix: torch.ones(2, 4)})
    assert word in reason(tensors, suffix)
    assert word in reason(tensors, "lora_up.weight")


def test_half_a_module_is_refused() -> None:
    assert "lora_up.weight is missing" in reason({"lora_down.weight": torch.ones(2, 4)}, "lora_down.weight")
    assert "hada_w2_b is missing" in reason({"hada_w1_a": ONE, "hada_w1_b": ONE, "hada_w2_a": ONE}, "hada_w1_a")
    assert "lokr_w2_b is missing" in reason({"lokr_w1": ONE, "lokr_w2_a": ONE}, "lokr_w1")
    assert "no known adapter type" in reason({"alpha": ONE}, "alpha")
    assert "no known adapter type" in reason({"weight": torch.ones(4)}, "weight")
    assert build({}).delta is None


def test_mixed_types_and_double_biases_are_refused() -> None:
    assert "mixes types" in reason(lora(ia3_l=torch.ones(6, 1)), "ia3_l")
    assert "more than one bias" in reason(lora(diff_b=torch.ones(6), b_norm=torch.ones(6)), "diff_b")
    both = lora(dora_scale=torch.ones(6, 1), lora_magnitude_vector=torch.ones(6))
    assert "both dora_scale" in reason(both, "dora_scale")


@pytest.mark.parametrize(
    "unknown", ["puzzle", "lora_diag", "lokr_w9", "scalar", "oft_R.cans_oft", "oft_blocks.marker", "lora_A.bias"]
)
def test_an_unknown_sibling_refuses_the_module(unknown: str) -> None:
    delta, used, problems = build(lora(**{unknown: torch.tensor(2.0)}))
    assert delta is None
    assert used == ()
    assert problems.keys() == {*lora(), unknown}


def test_harmless_siblings_are_reported_and_the_rest_is_used() -> None:
    built = build({"w_norm": torch.ones(4), "alpha": ONE})
    assert built.used == ("w_norm",)
    assert "no part" in built.problems["alpha"]
    built = build(lora(scalar=ONE))
    assert isinstance(built.delta, LowRank)
    assert "no part" in built.problems["scalar"]
    assert build({"oft_blocks": torch.zeros(2, 4, 4), "scale": ONE * 2}).delta is None


@pytest.mark.parametrize("marker", [torch.tensor(True), torch.tensor(1), torch.tensor([1.0], dtype=torch.float16)])
def test_scaled_oft_divides_the_skew_matrix(marker: Tensor) -> None:
    packed = torch.randn(4, 28) * 0.1
    base = torch.randn(6, 32)
    plain = build({"oft_R.weight": packed / (2 * math.sqrt(7))}).delta
    scaled = build({"oft_R.weight": packed, "oft_R.scaled_oft": marker})
    assert scaled.used == ("oft_R.weight", "oft_R.scaled_oft")
    assert plain is not None
    assert scaled.delta is not None
    assert torch.allclose(scaled.delta.apply(base), plain.apply(base), atol=1e-6)
    off = build({"oft_R.weight": packed, "oft_R.scaled_oft": torch.zeros_like(marker)}).delta
    assert off is not None
    assert not torch.allclose(off.apply(base), plain.apply(base), atol=1e-3)


@pytest.mark.parametrize("shape", [(640, 768), (48, 32)])
def test_ai_toolkit_s_magnitude_is_a_dora_of_the_outputs(shape: tuple[int, int]) -> None:
    up, down, base = torch.randn(shape[0], 4), torch.randn(4, shape[1]), torch.randn(shape)
    size = torch.rand(shape[0]) + 0.5
    delta = build({"lora_up.weight": up, "lora_down.weight": down, "magnitude": size}).delta
    assert delta is not None
    changed = base + up @ down
    assert torch.allclose(delta.apply(base), changed * (size / changed.norm(dim=1))[:, None], atol=1e-4)


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_a_lora_started_from_the_base_is_zero_before_training(start: Literal["pissa", "olora"]) -> None:
    base, rank = torch.randn(24, 16), 3
    left, values, right = torch.linalg.svd(base, full_matrices=False)
    first, second = torch.linalg.qr(base)
    up, down = (left[:, :rank] * values[:rank], right[:rank]) if start == "pissa" else (first[:, :rank], second[:rank])
    tensors = {"lora_B.weight": up, "lora_A.weight": down}
    delta = build(tensors, Hints(start=start)).delta
    assert delta is not None
    assert torch.allclose(delta.apply(base), base, atol=1e-5)
    with pytest.raises(BadWeights, match="linear layers only"):
        delta.check((24, 16, 1, 1))
    with pytest.raises(BadWeights, match="rank"):
        delta.check((24, 2))


@pytest.mark.parametrize(
    "hints", [Hints(alpha=math.nan), Hints(neumann=10**9), Hints(neumann=0), Hints(limit=math.inf)]
)
def test_hints_from_hostile_metadata_are_refused(hints: Hints) -> None:
    assert "metadata" in reason(lora(), "lora_up.weight", hints)


def ones(shape: list[int], dtype: torch.dtype) -> Tensor:
    return torch.ones(shape).to(dtype)


SUFFIXES = sorted(
    {suffix for tensors, _ in KINDS for suffix in tensors} | {"puzzle", "lora_A.0", "dora_scale", "lokr_t2"}
)


@given(
    st.dictionaries(
        st.sampled_from(SUFFIXES),
        st.builds(
            ones,
            st.lists(st.integers(0, 3), max_size=5),
            st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool]),
        ),
        max_size=6,
    ),
    st.lists(st.integers(0, 9), max_size=5),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_suffix_is_answered_once_whatever_the_shapes(tensors: dict[str, Tensor], shape: list[int]) -> None:
    from underdrawing.core.errors import BadWeights

    delta, used, problems = build(tensors)
    assert set(used) | set(problems) == set(tensors)
    assert not set(used) & set(problems)
    if delta is not None:
        base = torch.zeros(shape)
        try:
            delta.check(base.shape)
        except BadWeights:
            return
        assert delta.apply(base).shape == base.shape


def test_the_shape_of_a_widened_weight_is_that_of_its_factors() -> None:
    tensors = lora(reshape_weight=torch.tensor([4, 6]))
    rows, columns = tensors["lora_up.weight"].shape[0], tensors["lora_down.weight"].shape[1]
    tensors["reshape_weight"] = torch.tensor([rows, columns])
    built = build(tensors)
    assert built.delta is not None
    assert "reshape_weight" in built.used
    for wrong in (torch.tensor([rows, columns + 1]), torch.tensor([rows]), torch.tensor([float("nan"), 1.0])):
        assert "another weight" in reason({**tensors, "reshape_weight": wrong}, "reshape_weight")
