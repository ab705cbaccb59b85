"""What every kind of delta promises: linear in strength, base untouched, one rounding, misfits refused unformed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from underdrawing.adapters.deltas.base import MAX_RANK, Delta, compute_scale
from underdrawing.adapters.deltas.dense import BiasOnly, Dense, Norm, SetWeight, Sum
from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.products import Hadamard, Kronecker
from underdrawing.adapters.deltas.residual import Residual
from underdrawing.adapters.deltas.rotations import BOFT, OFT, PeftBOFT, PeftOFT, RotationOFT
from underdrawing.adapters.deltas.scaling import IA3, GLoRA, PeftIA3
from underdrawing.core.errors import BadWeights

SHAPES = {"linear": (16, 8), "1x1": (16, 8, 1, 1), "3x3": (16, 8, 3, 3)}


def _r(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.3


def _lora(o: int, i: int, k: int) -> LowRank:
    return LowRank(up=_r(o, 2, 1, 1), down=_r(2, i, k, k), scale=0.7)


def _tucker(o: int, i: int, k: int) -> LowRank:
    return LowRank(up=_r(o, 2, 1, 1), down=_r(3, i, 1, 1), mid=_r(2, 3, k, k), scale=0.7)


def _loha(o: int, i: int, k: int) -> Hadamard:
    c = i * k * k
    return Hadamard(w1_a=_r(o, 2), w1_b=_r(2, c), w2_a=_r(o, 3), w2_b=_r(3, c), scale=0.5)


def _loha_core(o: int, i: int, k: int) -> Hadamard:
    halves = {"w1_a": _r(2, o), "w1_b": _r(2, i), "w2_a": _r(2, o), "w2_b": _r(2, i)}
    return Hadamard(**halves, t1=_r(2, 2, k, k), t2=_r(2, 2, k, k), scale=0.5)


KINDS: dict[str, Callable[[int, int, int], Delta]] = {
    "lora": _lora,
    "lora_tucker": _tucker,
    "loha": _loha,
    "loha_core": _loha_core,
    "lokr": lambda o, i, k: Kronecker(w1=_r(4, 2), w2_a=_r(o // 4, 2), w2_b=_r(2, i // 2 * k * k), scale=0.5),
    "lokr_full": lambda o, i, k: Kronecker(w1=_r(4, 2), w2=_r(o // 4, i // 2, k, k), scale=0.5),
    "lokr_core": lambda o, i, k: Kronecker(
        w1_a=_r(4, 1), w1_b=_r(1, 2), w2_a=_r(2, o // 4), w2_b=_r(2, i // 2), t2=_r(2, 2, k, k), scale=0.5
    ),
    "dora_out": lambda o, i, k: Dora(inner=_lora(o, i, k), magnitude=torch.rand(o, 1), axis="out"),
    "dora_in": lambda o, i, k: Dora(inner=_loha(o, i, k), magnitude=torch.rand(1, i), axis="in"),
    "full": lambda o, i, k: Dense(diff=_r(o, i, k, k)),
    "set_weight": lambda o, i, k: SetWeight(weight=_r(o, i, k, k)),
    "several": lambda o, i, k: Sum(terms=(_lora(o, i, k), Dense(diff=_r(o, i, k, k), scale=0.1))),
    "ia3": lambda o, i, k: IA3(weight=_r(o), on_input=False),
    "ia3_in": lambda o, i, k: IA3(weight=_r(i), on_input=True),
    "peft_ia3": lambda o, i, k: PeftIA3(factor=_r(o, 1) + 1),
    "glora": lambda o, i, k: GLoRA(a1=_r(i, 2), a2=_r(2, i), b1=_r(o, 2), b2=_r(2, i, k, k), scale=0.5),
    "glora_core": lambda o, i, k: GLoRA(a1=_r(i, 2), a2=_r(2, i), b1=_r(o, 2), b2=_r(3, i), bm=_r(2, 3, k, k)),
    "oft": lambda o, i, k: OFT(blocks=_r(o // 4, 4, 4), constraint=0.01, rescale=_r(o) + 1),
    "oft_diag": lambda o, i, k: RotationOFT(oft_diag=_r(o // 4, 4, 4)),
    "boft": lambda o, i, k: BOFT(blocks=_r(3, o // 4, 4, 4), constraint=0.01),
    "peft_oft": lambda o, i, k: PeftOFT(packed=_r(i * k * k // 4, 6)),
    "peft_oft_scaled": lambda o, i, k: PeftOFT(packed=_r(i * k * k // 4, 6), scaled=True),
    "peft_boft": lambda o, i, k: PeftBOFT(blocks=_r(2, i * k * k // 4, 4, 4), scale_s=_r(o, 1) + 1),
    "bias": lambda o, i, k: BiasOnly(bias=_r(o)),
}
LINEAR_ONLY: dict[str, Callable[[int, int, int], Delta]] = {
    "pissa": lambda o, i, k: Residual(inner=LowRank(up=_r(o, 2), down=_r(2, i), scale=0.7), start="pissa"),
    "olora": lambda o, i, k: Residual(inner=LowRank(up=_r(o, 2), down=_r(2, i), scale=0.7), start="olora"),
}
BOTH = [*((kind, shape) for kind in KINDS for shape in SHAPES), *((kind, "linear") for kind in LINEAR_ONLY)]


def make(kind: str, shape: str, seed: int = 0) -> tuple[Delta, Tensor]:
    torch.default_generator.manual_seed(seed)  # torch.manual_seed asks every device: 3 ms
    size = SHAPES[shape]
    return {**KINDS, **LINEAR_ONLY}[kind](size[0], size[1], size[2] if len(size) > 2 else 1), _r(*size)


def close(found: Tensor, expected: Tensor, limit: float = 1e-5) -> bool:
    return float((found - expected).norm()) <= limit * float(expected.norm() + 1e-6)


@pytest.mark.parametrize(("kind", "shape"), BOTH)
@given(strength=st.floats(-4, 4, width=32), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_linear_in_strength_and_base_untouched(kind: str, shape: str, strength: float, seed: int) -> None:
    delta, base = make(kind, shape, seed)
    before = base.clone()
    change = delta.change(base)
    assert change.dtype == torch.float32
    assert change.shape == base.shape
    assert close(delta.apply(base, strength), base + strength * change)
    total = torch.ones_like(base)
    delta.add_to(total, base, strength)
    assert close(total, 1 + strength * change)
    assert torch.equal(base, before)


@pytest.mark.parametrize(("kind", "shape"), BOTH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_strength_zero_gives_the_base_bit_for_bit(kind: str, shape: str, dtype: torch.dtype) -> None:
    delta, base = make(kind, shape)
    base = base.to(dtype)
    base.view(-1)[0] = -0.0
    found = delta.apply(base, 0.0)
    assert found.dtype == dtype
    assert torch.equal(found, base)
    assert torch.equal(torch.signbit(found), torch.signbit(base))
    assert found.data_ptr() != base.data_ptr()


@pytest.mark.parametrize(("kind", "shape"), BOTH)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(kind: str, shape: str, dtype: torch.dtype) -> None:
    delta, base = make(kind, shape)
    half = base.to(dtype)
    assert torch.equal(delta.apply(half, 0.6), delta.apply(half.float(), 0.6).to(dtype))


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("bias", "several")])
def test_factors_in_half_precision_are_widened_first(kind: str) -> None:
    delta, base = make(kind, "3x3")
    fields = {k: v.half() if isinstance(v, Tensor) else v for k, v in vars(delta).items()}
    again = {k: v.float() if isinstance(v, Tensor) else v for k, v in fields.items()}
    assert torch.equal(type(delta)(**fields).apply(base), type(delta)(**again).apply(base))


@pytest.mark.parametrize("kind", KINDS)
def test_stored_tensors_are_not_written(kind: str) -> None:
    delta, base = make(kind, "3x3")
    kept = {k: v.clone() for k, v in vars(delta).items() if isinstance(v, Tensor)}
    delta.apply(base, 0.5)
    delta.change(base).add_(0 if kind == "full" else 1)
    assert all(torch.equal(getattr(delta, k), v) for k, v in kept.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (5,), (16,), (17, 8), (16, 11), (15, 7, 3, 3), (16, 8, 5, 5)])
def test_misfits_are_refused(kind: str, shape: tuple[int, ...]) -> None:
    """A kind that shows only one axis cannot refuse what differs along the others."""
    delta, _ = make(kind, "3x3")
    fits_rows = kind in ("oft", "oft_diag", "boft", "peft_ia3", "ia3", "bias")
    fits_cols = kind == "ia3_in"
    if (fits_rows and shape[:1] == (16,)) or (fits_cols and shape[1:2] == (8,)):
        return
    with pytest.raises(BadWeights) as caught:
        delta.check(shape)
    assert str(list(shape)) in str(caught.value) or str(shape[:1])[1:-2] in str(caught.value)


class Idle(TorchDispatchMode):
    """Refuses every tensor operation, on whatever device."""

    def __torch_dispatch__(self, func: object, types: object, args: object = (), kwargs: object = None) -> object:
        raise AssertionError(f"{func} was computed")


def huge(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


BOMBS: dict[str, tuple[Delta, tuple[int, ...]]] = {
    "product": (LowRank(up=huge(10**9, 1), down=huge(1, 10**9)), (320, 320)),
    "rank": (LowRank(up=huge(320, 10**9), down=huge(10**9, 320)), (320, 320)),
    "rank 0": (LowRank(up=huge(320, 0), down=huge(0, 320)), (320, 320)),
    "ranks differ": (LowRank(up=huge(320, 4), down=huge(8, 320)), (320, 320)),
    "core": (LowRank(up=huge(32, 10**6), mid=huge(10**6, 10**6, 3, 3), down=huge(10**6, 32)), (32, 32, 3, 3)),
    "core kernel": (LowRank(up=huge(32, 4), mid=huge(4, 4, 10**5, 10**5), down=huge(4, 32)), (32, 32, 3, 3)),
    "loha": (Hadamard(w1_a=huge(10**9, 1), w1_b=huge(1, 10**9), w2_a=huge(10**9, 1), w2_b=huge(1, 10**9)), (320, 320)),
    "loha halves": (
        Hadamard(w1_a=huge(320, 1), w1_b=huge(1, 320), w2_a=huge(10**9, 1), w2_b=huge(1, 10**9)),
        (320, 320),
    ),
    "lokr": (Kronecker(w1=huge(10**5, 10**5), w2=huge(10**5, 10**5)), (320, 320)),
    "lokr factors": (Kronecker(w1=huge(4, 4), w2_a=huge(10**9, 1), w2_b=huge(1, 10**9)), (320, 320)),
    "lokr core": (
        Kronecker(w1=huge(4, 4), w2_a=huge(8, 10**6), w2_b=huge(8, 10**6), t2=huge(8, 8, 9, 9)),
        (32, 32, 3, 3),
    ),
    "lokr w1 kernel": (Kronecker(w1=huge(4, 4, 3, 3), w2=huge(8, 8, 3, 3)), (32, 32, 3, 3)),
    "lokr half": (Kronecker(w1=huge(4, 4), w2_a=huge(8, 2)), (32, 32)),
    "dora": (Dora(inner=LowRank(up=huge(32, 2), down=huge(2, 24)), magnitude=huge(10**9, 1), axis="out"), (32, 24)),
    "full": (Dense(diff=huge(10**6, 10**6)), (32, 24)),
    "norm": (Norm(diff=huge(10**9)), (32,)),
    "set_weight": (SetWeight(weight=huge(10**6, 10**6)), (32, 24)),
    "ia3": (IA3(weight=huge(10**9), on_input=False), (32, 24)),
    "glora": (GLoRA(a1=huge(10**9, 1), a2=huge(1, 10**9), b1=huge(32, 1), b2=huge(1, 24)), (32, 24)),
    "oft": (OFT(blocks=huge(10**6, 10**3, 10**3)), (32, 24)),
    "oft oblong": (OFT(blocks=huge(8, 10**6, 4)), (32, 24)),
    "boft": (BOFT(blocks=huge(10**6, 8, 4, 4)), (32, 24)),
    "boft odd": (BOFT(blocks=huge(2, 6, 3, 3)), (18, 24)),
    "peft oft": (PeftOFT(packed=huge(8, 7)), (32, 24)),
    "peft oft size": (PeftOFT(packed=huge(10**6, 6)), (32, 24)),
    "peft boft": (PeftBOFT(blocks=huge(10**6, 6, 4, 4)), (32, 24)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_rank_bombs_are_refused_before_any_product(name: str) -> None:
    delta, shape = BOMBS[name]
    base = torch.zeros(shape)
    with Idle(), pytest.raises(BadWeights):
        delta.check(shape)
    with Idle(), pytest.raises(BadWeights):
        delta.apply(base)
    with Idle(), pytest.raises(BadWeights):
        delta.change(base)


def test_nothing_is_computed_when_checking() -> None:
    for kind, shape in BOTH:
        delta, base = make(kind, shape)
        with Idle():
            delta.check(base.shape)


def test_misfits_say_what_they_look_like() -> None:
    text = LowRank(up=huge(320, 4), down=huge(4, 1024))
    with pytest.raises(BadWeights, match=r"LoRA of rank 4 for \[320, 1024\].*\[320, 768\].*made for SD 2.*like SD 1"):
        text.check((320, 768))
    with pytest.raises(BadWeights, match="transposed"):
        LowRank(up=huge(64, 4), down=huge(4, 32)).check((32, 64))
    with pytest.raises(BadWeights, match=r"\[32, 16, 3, 3\].*kernels differ"):
        LowRank(up=huge(32, 4, 1, 1), down=huge(4, 16, 3, 3)).check((32, 16, 1, 1))
    with pytest.raises(BadWeights, match=str(MAX_RANK)):
        LowRank(up=huge(32, MAX_RANK + 1), down=huge(MAX_RANK + 1, 32)).check((32, 32))


@pytest.mark.parametrize("channels", [5, 7, 8, 9, 16])
@pytest.mark.parametrize(
    "kind", ["lora", "lora_tucker", "loha", "loha_core", "lokr", "full", "dora_out", "glora", "ia3_in"]
)
def test_models_with_more_input_channels_get_four_of_them_changed(kind: str, channels: int) -> None:
    torch.manual_seed(0)
    delta, base = KINDS[kind](16, 4, 3), _r(16, channels, 3, 3)
    found = delta.apply(base, 0.7)
    assert torch.equal(found[:, 4:], base[:, 4:])
    assert close(found[:, :4], delta.apply(base[:, :4], 0.7))
    assert f"other {channels - 4} of {channels}" in str(delta.explain_part(base.shape))
    assert delta.explain_part((16, 4, 3, 3)) is None
    for shape in ((16, 40, 3, 3), (16, 3, 3, 3)):
        with pytest.raises(BadWeights):
            delta.check(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["lora", "lora_tucker"])
def test_factors_multiply_to_the_change(kind: str, shape: str) -> None:
    delta, base = make(kind, shape)
    assert isinstance(delta, LowRank)
    up, down = delta.factors()
    assert up.shape[1] == down.shape[0]
    assert close((up @ down).reshape(base.shape), delta.change(base))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_slice_as_base_is_a_weight_of_its_own(kind: str) -> None:
    """Fused q, k, v: the caller hands over the rows [start, start + O) of the fused weight."""
    delta, base = make(kind, "linear")
    fused = torch.cat([_r(16, 8), base, _r(16, 8)])
    assert torch.equal(delta.change(fused[16:32]), delta.change(base))
    strided = torch.stack([base, base], dim=-1)[..., 0]
    assert close(delta.change(strided), delta.change(base))


def test_biases() -> None:
    delta = Dense(diff=_r(4, 3), bias=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    base = torch.ones(4, dtype=torch.float16)
    found = delta.apply_bias(base, 0.5)
    assert found is not None
    assert found.dtype == torch.float16
    assert found.tolist() == [1.5, 2.0, 2.5, 3.0]
    created = delta.apply_bias(None, 2.0)
    assert created is not None
    assert created.tolist() == [2.0, 4.0, 6.0, 8.0]
    assert base.tolist() == [1.0] * 4
    assert Dense(diff=_r(4, 3)).apply_bias(base) is base
    assert Dense(diff=_r(4, 3)).apply_bias(None) is None
    with pytest.raises(BadWeights, match="bias of 4"):
        delta.apply_bias(torch.ones(5))


def test_peft_ia3_scales_the_bias_of_outputs_only() -> None:
    factor = torch.tensor([[2.0], [3.0]])
    found = PeftIA3(factor=factor).apply_bias(torch.tensor([1.0, 1.0]), 0.5)
    assert found is not None
    assert found.tolist() == [1.5, 2.0]
    assert PeftIA3(factor=factor.T, on_input=True).apply_bias(None) is None
    assert not PeftIA3(factor=factor.T, on_input=True).changes_bias


def test_replacing_is_exact_at_strength_one() -> None:
    base, weight = torch.full((8, 8), 1e6), _r(8, 8)
    assert torch.equal(SetWeight(weight=weight).apply(base), weight)


def test_lokr_both_full_ignores_alpha_except_in_peft() -> None:
    torch.manual_seed(0)
    w1, w2 = _r(2, 2), _r(3, 3)
    product = torch.kron(w1, w2)
    assert close(Kronecker(w1=w1, w2=w2, scale=5.0).change(torch.zeros(6, 6)), product)
    assert close(Kronecker(w1=w1, w2=w2, scale=5.0, always_scaled=True).change(torch.zeros(6, 6)), 5 * product)


def test_alpha_scale() -> None:
    assert compute_scale(None, 8) == 1.0
    assert compute_scale(4.0, 8) == 0.5
    assert compute_scale(4.0, 16, stabilised=True) == 1.0
    assert compute_scale(0.0, 8) == 0.0


def test_dora_of_an_empty_row_stays_finite() -> None:
    inner = LowRank(up=torch.zeros(4, 1), down=torch.zeros(1, 3))
    found = Dora(inner=inner, magnitude=torch.ones(4), axis="out").apply(torch.zeros(4, 3))
    assert torch.equal(found, torch.zeros(4, 3))


def test_a_norm_and_a_bias_alone() -> None:
    assert Norm(diff=torch.ones(4)).apply(torch.ones(4), 0.5).tolist() == [1.5] * 4
    with pytest.raises(BadWeights, match=r"\[4, 4\]"):
        Norm(diff=torch.ones(4)).check((4, 4))
    with pytest.raises(BadWeights, match="missing"):
        BiasOnly().check((4, 4))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "several"])
@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_one_wrong_axis_is_refused_or_fits(kind: str, data: st.DataObject) -> None:
    """No other exception than BadWeights, whatever one stored tensor is replaced by."""
    delta, base = make(kind, data.draw(st.sampled_from(list(SHAPES))))
    fields = dict(vars(delta))
    name = data.draw(st.sampled_from([k for k, v in fields.items() if isinstance(v, Tensor)]))
    shape = list(fields[name].shape)
    place = data.draw(st.integers(0, len(shape)))
    size = data.draw(st.sampled_from([0, 1, 2, 3, 4, 16]))
    shape[place : place + data.draw(st.integers(0, 1))] = [size] if data.draw(st.booleans()) else []
    changed = type(delta)(**{**fields, name: _r(*shape)})
    try:
        changed.check(base.shape)
    except BadWeights:
        return
    assert changed.apply(base, 0.5).shape == base.shape
    if changed.bias is None or changed.bias.numel() == base.shape[0]:
        changed.apply_bias(torch.zeros(base.shape[0]))
