"""Weights stored as codes with a scale: computed with and stored again; every other form is refused by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.applying.quantised import FLOAT8, Storage, StorageIndex, check_live
from underdrawing.adapters.applying.quantised_names import list_companions
from underdrawing.adapters.tools.extract import Extraction, extract
from underdrawing.adapters.tools.svd import RankRule
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter

LAYER = "input_blocks.4.1.transformer_blocks.0.attn2.to_k"
KEY = f"model.diffusion_model.{LAYER}"
OWN = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
ROWS, COLUMNS = 64, 768
E4M3 = torch.float8_e4m3fn


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    generator = torch.Generator().manual_seed(1)
    stem = f"lora_unet_{OWN.replace('.', '_')}"
    tensors = {
        f"{stem}.lora_up.weight": torch.randn(ROWS, 4, generator=generator) * 0.1,
        f"{stem}.lora_down.weight": torch.randn(4, COLUMNS, generator=generator) * 0.1,
    }
    save_file(tensors, tmp_path / "style.safetensors")
    return load_adapter(tmp_path / "style.safetensors")


def weight(seed: int = 0) -> Tensor:
    return torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(seed)) * 0.05


def change(adapter: Adapter) -> Tensor:
    (delta,) = adapter.modules.values()
    return delta.change(torch.zeros(ROWS, COLUMNS))


def codes(value: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    return (value / scale).round().to(dtype) if dtype == torch.int8 else (value / scale).to(dtype)


def spread(scale: Tensor, shape: tuple[int, int] = (ROWS, COLUMNS)) -> Tensor:
    if scale.numel() == 1:
        return scale.reshape(1, 1).expand(shape)
    if scale.ndim == 1:
        return scale[:, None].expand(shape)
    rows, columns = (-(-size // count) for size, count in zip(shape, scale.shape, strict=True))
    wide = scale.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    return wide[: shape[0], : shape[1]]


SHAPES = {
    "tensor []": (),
    "tensor [1]": (1,),
    "row [O]": (ROWS,),
    "row [O, 1]": (ROWS, 1),
    "column [1, I]": (1, COLUMNS),
    "group [O, I/64]": (ROWS, COLUMNS // 64),
    "block [O/32, I/128]": (ROWS // 32, COLUMNS // 128),
}
NAMES = ["scale_weight", "weight_scale", "weight_scale_inv", "weight.scale"]


@pytest.mark.parametrize("dtype", [E4M3, torch.float8_e5m2, torch.int8])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", NAMES[:2])
def test_bake_adds_to_the_weight_and_not_to_its_codes(
    adapter: Adapter, tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...], name: str
) -> None:
    base, most = weight(), 127 if dtype == torch.int8 else 400
    scale = torch.full(shape, float(base.abs().max()) / most)
    stored = codes(base, spread(scale), dtype)
    before = {f"{KEY}.weight": stored, f"{KEY}.{name}": scale, f"{KEY}.scale_input": torch.ones(1)}
    if dtype != torch.int8:
        before["scaled_fp8"] = torch.empty(0, dtype=dtype)
    save_file(before, tmp_path / "base.safetensors")
    receipt = bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    after = load_file(tmp_path / "out.safetensors")
    assert after.keys() == before.keys()
    assert all(after[key].dtype == before[key].dtype and after[key].shape == before[key].shape for key in before)
    right = stored.float() * spread(scale) + change(adapter)
    got = after[f"{KEY}.weight"].float() * spread(after[f"{KEY}.{name}"])
    step = {E4M3: 2**-4, torch.float8_e5m2: 2**-3, torch.int8: 2**-5}[dtype]
    assert float((got - right).norm() / right.norm()) < step
    assert any("rounding" in note for note in receipt.notes)


def test_the_scale_stays_where_the_codes_reach_and_what_is_not_changed_keeps_its_codes(tmp_path: Path) -> None:
    base = weight()
    scale = base.abs().amax(1, keepdim=True) / 127
    up = torch.zeros(ROWS, 1)
    up[3] = 100.0
    stem = f"lora_unet_{OWN.replace('.', '_')}"
    tensors = {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": torch.ones(1, COLUMNS)}
    save_file(tensors, tmp_path / "one.safetensors")
    before = {f"{KEY}.weight": codes(base, scale, torch.int8), f"{KEY}.weight_scale": scale}
    save_file(before, tmp_path / "base.safetensors")
    adapter = load_adapter(tmp_path / "one.safetensors")
    bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    after = load_file(tmp_path / "out.safetensors")
    others = torch.arange(ROWS) != 3
    for key, tensor in before.items():
        assert torch.equal(after[key][others], tensor[others]), key
    grown = after[f"{KEY}.weight"][3].float() * after[f"{KEY}.weight_scale"][3]
    assert torch.allclose(grown, base[3] + 100, rtol=0.01)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_dtype_makes_a_plain_checkpoint(adapter: Adapter, tmp_path: Path, dtype: str) -> None:
    scale = torch.tensor(0.001)
    stored, other = codes(weight(), scale, E4M3), codes(weight(5), scale, E4M3)
    side = KEY.replace("to_k", "to_v")
    before = {
        f"{KEY}.weight": stored,
        f"{KEY}.scale_weight": scale,
        f"{side}.weight": other,
        f"{side}.scale_weight": scale.clone(),
        f"{KEY.replace('to_k', 'to_out.0')}.bias": torch.arange(8.0),
        "model_ema.num_updates": torch.tensor(7),
        "scaled_fp8": torch.empty(0, dtype=E4M3),
    }
    save_file(before, tmp_path / "base.safetensors", metadata={"_quantization_metadata": "{}", "kept": "yes"})
    receipt = bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors", dtype=dtype)
    after, wanted = load_file(tmp_path / "out.safetensors"), getattr(torch, dtype)
    assert sorted(after) == sorted(key for key in before if "scale" not in key)
    assert {tensor.dtype for tensor in after.values()} == {wanted, torch.int64}
    right = stored.float() * scale + change(adapter)
    assert torch.allclose(after[f"{KEY}.weight"].float(), right, rtol=torch.finfo(wanted).eps, atol=1e-6)
    assert torch.equal(after[f"{side}.weight"], (other.float() * scale).to(wanted))
    assert receipt.notes == ()


def test_rounding_of_a_plain_fp8_base_is_reported(adapter: Adapter, tmp_path: Path) -> None:
    save_file({f"{KEY}.weight": weight().to(E4M3)}, tmp_path / "base.safetensors")
    receipt = bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    assert "1 weights are stored in F8_E4M3" in str(receipt)
    assert "float16" in str(receipt)
    assert load_file(tmp_path / "out.safetensors")[f"{KEY}.weight"].dtype == E4M3


def comfy(entry: object) -> Tensor:
    return torch.tensor(list(json.dumps(entry).encode()), dtype=torch.uint8)


def named(**beside: Tensor) -> dict[str, Tensor]:
    return {f"{KEY}.{name.replace('__dot__', '.')}": tensor for name, tensor in beside.items()}


INT8, BYTES = torch.ones(ROWS, COLUMNS, dtype=torch.int8), torch.ones(ROWS * COLUMNS // 2, 1, dtype=torch.uint8)
FP8 = torch.ones(ROWS, COLUMNS).to(E4M3)
REFUSED: dict[str, tuple[dict[str, Tensor], str]] = {
    "int8 alone": (named(weight=INT8), "without a scale"),
    "int32": (named(weight=INT8.int()), "int32"),
    "bool": (named(weight=INT8.bool()), "bool"),
    "uint8 with a scale": (named(weight=INT8.byte(), weight_scale=torch.ones(1)), "uint8"),
    "NF4": (
        named(weight=BYTES, weight__dot__absmax=torch.ones(8), weight__dot__quant_map=torch.ones(16)),
        "bitsandbytes",
    ),
    "NF4 with its state": (
        named(weight=BYTES, weight__dot__quant_state__dot__bitsandbytes__nf4=torch.ones(4, dtype=torch.uint8)),
        "NF4",
    ),
    "nvfp4": (named(weight=FP8, weight_scale=FP8.clone(), weight_scale_2=torch.ones(1)), "nvfp4|scale"),
    "nvfp4 by its entry": (
        named(weight=FP8, weight_scale=torch.ones(1), comfy_quant=comfy({"format": "nvfp4"})),
        "nvfp4",
    ),
    "convrot": (
        named(
            weight=INT8, weight_scale=torch.ones(1), comfy_quant=comfy({"format": "int8_tensorwise", "convrot": True})
        ),
        "convrot",
    ),
    "a broken entry": (
        named(weight=INT8, weight_scale=torch.ones(1), comfy_quant=torch.ones(3, dtype=torch.uint8)),
        "read",
    ),
    "an unknown neighbour": (named(weight=FP8, weight_scale=torch.ones(1), pre_quant_scale=torch.ones(8)), "pre_quant"),
    "a zero point": (named(weight=INT8, weight_scale=torch.ones(1), weight_zero_point=torch.ones(1)), "zero point"),
    "two scales": (named(weight=FP8, weight_scale=torch.ones(1), scale_weight=torch.ones(1)), "several scales"),
    "a scale of a strange shape": (named(weight=FP8, weight_scale=torch.ones(7, 5)), "shape"),
    "a scale of bytes": (named(weight=FP8, weight_scale=torch.ones(ROWS, 24, dtype=torch.uint8)), "uint8"),
    "a NaN scale": (named(weight=FP8, weight_scale=torch.tensor(float("nan"))), "NaN"),
    "a full weight with a scale": (named(weight=weight(), scale_weight=torch.tensor(2.0)), "which counts"),
    "GPTQ": (named(qweight=INT8.int(), scales=torch.ones(8)) | {f"{KEY}.bias": torch.ones(8)}, "packed"),
    "quanto": (named(weight__dot___data=INT8) | {f"{KEY}.bias": torch.ones(8)}, "quanto"),
}


@pytest.mark.parametrize(("tensors", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_computed_with_is_refused_by_name(
    adapter: Adapter, tmp_path: Path, tensors: dict[str, Tensor], says: str
) -> None:
    save_file(tensors, tmp_path / "base.safetensors")
    save_file({f"{KEY}.weight": weight()}, tmp_path / "plain.safetensors")
    with pytest.raises(BadWeights, match=says):
        bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    for tuned, base in (("base", "plain"), ("plain", "base")):
        with pytest.raises(BadWeights):
            extract(tmp_path / f"{tuned}.safetensors", tmp_path / f"{base}.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    own = {key.removeprefix("model.diffusion_model."): tensor for key, tensor in tensors.items()}
    if f"{LAYER}.weight" in own:
        held = dict(own)
        with pytest.raises(BadWeights, match=says):
            Patcher(unet=held).set([(adapter, 1.0, 1.0)])
        assert all(held[key] is own[key] for key in own)


def test_formats_in_the_header_count(adapter: Adapter, tmp_path: Path) -> None:
    entry = json.dumps({"format_version": "1.0", "layers": {KEY: {"format": "mxfp8"}}})
    tensors = named(weight=FP8, weight_scale=torch.ones(1))
    save_file(tensors, tmp_path / "base.safetensors", metadata={"_quantization_metadata": entry})
    with pytest.raises(BadWeights, match="mxfp8"):
        bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")


def test_formats_count_without_the_prefix_of_a_checkpoint(adapter: Adapter, tmp_path: Path) -> None:
    layers = {LAYER: {"format": "nvfp4"}}
    save_file(
        {f"{KEY}.weight": weight().to(E4M3), f"{KEY}.weight_scale": torch.tensor(0.5)},
        tmp_path / "base.safetensors",
        {"_quantization_metadata": json.dumps({"layers": layers})},
    )
    with pytest.raises(BadWeights, match="is stored as nvfp4"):
        bake(tmp_path / "base.safetensors", [(adapter, 1, 1)], tmp_path / "baked.safetensors")


def test_a_table_of_formats_that_cannot_be_read_refuses_codes_only(adapter: Adapter, tmp_path: Path) -> None:
    header = {"_quantization_metadata": "{{"}
    save_file({f"{KEY}.weight": weight().half()}, tmp_path / "plain.safetensors", header)
    bake(tmp_path / "plain.safetensors", [(adapter, 1, 1)], tmp_path / "baked.safetensors")
    scaled = {f"{KEY}.weight": weight().to(E4M3), f"{KEY}.weight_scale": torch.tensor(0.5)}
    save_file(scaled, tmp_path / "scaled.safetensors", header)
    with pytest.raises(BadWeights, match="a format that cannot be read"):
        bake(tmp_path / "scaled.safetensors", [(adapter, 1, 1)], tmp_path / "baked.safetensors")


@pytest.mark.parametrize("dtype", sorted(FLOAT8, key=str))
def test_more_than_plain_eight_bits_hold_is_refused_and_not_cut(
    adapter: Adapter, tmp_path: Path, dtype: torch.dtype
) -> None:
    layer = {f"{OWN}.weight": weight().to(dtype)}
    original = layer[f"{OWN}.weight"]
    with pytest.raises(BadWeights, match="the most that float8"):
        Patcher(unet=layer).set([(adapter, 1e8, 1)])
    assert layer[f"{OWN}.weight"] is original
    if dtype in (E4M3, torch.float8_e5m2):
        save_file({f"{KEY}.weight": original}, tmp_path / "base.safetensors")
        with pytest.raises(BadWeights, match="the most that float8"):
            bake(tmp_path / "base.safetensors", [(adapter, 1e8, 1)], tmp_path / "baked.safetensors")


FUSED = "cond_stage_model.model.transformer.resblocks.0.attn"


@pytest.mark.parametrize("scale", ["in_proj_weight_scale", "weight_scale", "scale_weight"])
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_the_scale_of_fused_projections_is_found(scale: str, dtype: str | None, tmp_path: Path) -> None:
    stem = "lora_te_text_model_encoder_layers_0_self_attn_k_proj"
    factors = {f"{stem}.lora_up.weight": torch.ones(8, 2), f"{stem}.lora_down.weight": torch.ones(2, 8)}
    save_file(factors, tmp_path / "style.safetensors")
    stored, by = torch.full((24, 8), 200.0).to(E4M3), torch.tensor(0.01)
    base = {f"{FUSED}.in_proj_weight": stored, f"{FUSED}.{scale}": by, f"{FUSED}.out_proj.weight": torch.ones(8, 8)}
    save_file(base, tmp_path / "base.safetensors")
    adapter = load_adapter(tmp_path / "style.safetensors")
    bake(tmp_path / "base.safetensors", [(adapter, 1, 1)], tmp_path / "baked.safetensors", dtype=dtype)
    baked = load_file(tmp_path / "baked.safetensors")
    weight = baked[f"{FUSED}.in_proj_weight"].float() * (1 if dtype else baked[f"{FUSED}.{scale}"])
    due = stored.float() * by
    due[8:16] += 2
    assert torch.allclose(weight, due, rtol=0.07)


def test_what_stands_below_fused_projections_is_refused_if_unknown(tmp_path: Path) -> None:
    stem = "lora_te_text_model_encoder_layers_0_self_attn_k_proj"
    factors = {f"{stem}.lora_up.weight": torch.ones(8, 2), f"{stem}.lora_down.weight": torch.ones(2, 8)}
    save_file(factors, tmp_path / "style.safetensors")
    base = {f"{FUSED}.in_proj_weight": torch.ones(24, 8).to(E4M3), f"{FUSED}.in_proj_weight.other": torch.ones(1)}
    save_file(base, tmp_path / "base.safetensors")
    with pytest.raises(BadWeights, match="whose meaning is not known"):
        bake(
            tmp_path / "base.safetensors",
            [(load_adapter(tmp_path / "style.safetensors"), 1, 1)],
            tmp_path / "baked.safetensors",
        )


def test_gguf_is_named(adapter: Adapter, tmp_path: Path) -> None:
    for name in ("model.gguf", "model.safetensors"):
        (tmp_path / name).write_bytes(b"GGUF" + bytes(200))
        with pytest.raises(BadWeights, match="GGUF"):
            bake(tmp_path / name, [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")


def test_bitsandbytes_int8_by_rows(adapter: Adapter, tmp_path: Path) -> None:
    base = weight()
    most = base.abs().amax(1)
    stored = (base / most[:, None] * 127).round().to(torch.int8)
    before = named(weight=stored, SCB=most, weight_format=torch.tensor(0, dtype=torch.uint8))
    save_file(before, tmp_path / "base.safetensors")
    bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    after = load_file(tmp_path / "out.safetensors")
    got = after[f"{KEY}.weight"].float() * after[f"{KEY}.SCB"][:, None] / 127
    right = stored.float() * most[:, None] / 127 + change(adapter)
    assert float((got - right).norm() / right.norm()) < 2**-6


def test_extract_reads_the_weight(adapter: Adapter, tmp_path: Path) -> None:
    scale = torch.tensor(0.002)
    base = codes(weight(), scale, E4M3).float() * scale
    save_file(named(weight=codes(base, scale, E4M3), scale_weight=scale), tmp_path / "base.safetensors")
    save_file(named(weight=base + change(adapter)), tmp_path / "tuned.safetensors")
    how = Extraction(rule=RankRule(4), dtype="float32")
    extract(tmp_path / "tuned.safetensors", tmp_path / "base.safetensors", tmp_path / "out.safetensors", how)
    found = change(load_adapter(tmp_path / "out.safetensors"))
    assert torch.allclose(found, change(adapter), atol=1e-5)


class Scaled(torch.nn.Module):
    """A linear layer as hosts build them for scaled fp8."""

    def __init__(self, stored: Tensor, scale: Tensor, *, buffer: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(stored, requires_grad=False)
        if buffer:
            self.register_buffer("scale_weight", scale)
        else:
            self.scale_weight = torch.nn.Parameter(scale, requires_grad=False)


def model_of(layer: torch.nn.Module) -> torch.nn.Module:
    model = layer
    for name in reversed(OWN.split(".")):
        outer = torch.nn.Module()
        outer.add_module(name, model)
        model = outer
    return model


@pytest.mark.parametrize("buffer", [True, False])
@pytest.mark.parametrize("dtype", [E4M3, torch.int8])
def test_the_patcher_stores_codes_again_and_takes_them_off(adapter: Adapter, buffer: bool, dtype: torch.dtype) -> None:
    scale = weight().abs().max() / (127 if dtype == torch.int8 else 448)
    stored = codes(weight(), scale, dtype)
    model = model_of(Scaled(stored.clone(), scale.clone(), buffer=buffer))
    layer = model.get_submodule(OWN)
    objects = layer.weight, layer.scale_weight
    patcher = Patcher(unet=model)
    for strength in (1.0, 30.0, 0.5):
        patcher.set([(adapter, strength, 1.0)])
        got = layer.weight.float() * layer.scale_weight  # type: ignore[operator]
        right = stored.float() * scale + strength * change(adapter)
        assert float((got - right).norm() / right.norm()) < 0.04
        assert layer.weight.dtype == dtype
    patcher.clear()
    assert (layer.weight, layer.scale_weight) == objects or all(
        one is two for one, two in zip((layer.weight, layer.scale_weight), objects, strict=True)
    )
    assert torch.equal(layer.weight.float(), stored.float())  # type: ignore[operator]


def test_live_tensors_that_hide_their_values_are_refused() -> None:
    meta = torch.empty(2, 2, device="meta")
    with pytest.raises(BadWeights, match="meta device"):
        check_live("a.weight", meta)
    packed = torch.nn.Parameter(torch.ones(2, 2))
    packed.quant_state = object()  # type: ignore[attr-defined]
    with pytest.raises(BadWeights, match="hides"):
        check_live("a.weight", packed)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*sorted(FLOAT8, key=str), torch.int8]),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 2**31),
    st.floats(1e-6, 1e3),
)
def test_codes_survive_and_results_stay_within_a_step(
    dtype: torch.dtype, rows: int, columns: int, seed: int, size: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = rows * 32, columns * 16
    scale = torch.rand(rows, columns, generator=generator) * size + size / 100
    low = torch.randint(-128, 128, shape, generator=generator, dtype=torch.int8)
    stored = low if dtype == torch.int8 else low.float().to(dtype)
    storage = Storage(dtype, "scale", 1.0, (32, 16))
    value = storage.decode(stored, scale)
    again, grown = storage.encode(value, scale)
    assert grown is not None
    assert torch.equal(grown, scale)
    assert torch.equal(again.float(), stored.float())
    moved = value + size * 50 * torch.randn(shape, generator=generator)
    again, grown = storage.encode(moved, scale)
    assert grown is not None
    assert bool((grown >= scale).all())
    error = (storage.decode(again, grown) - moved).abs()
    width = grown.repeat_interleave(32, 0).repeat_interleave(16, 1)
    step = width * 0.51 if dtype == torch.int8 else moved.abs() * 0.13 + width * 2**-6
    assert bool((error <= step).all())


@given(st.lists(st.text("ab._weightscal", max_size=12), max_size=8))
def test_companions_are_keys_of_weights_that_are_there(keys: list[str]) -> None:
    found = list_companions(keys)
    assert all(weight in keys and set(names.values()) <= set(keys) for weight, names in found.items())


def test_block_scales_whose_size_is_not_clear_are_refused() -> None:
    def find(shape: tuple[int, int], grid: tuple[int, int]) -> tuple[int, ...]:
        table = {"a.weight_scale": torch.ones(grid)}
        index = StorageIndex(["a.weight", *table], {}, table.__getitem__)
        return index.find("a.weight", E4M3, shape).blocks

    assert find((320, 768), (3, 6)) == (128, 128)
    assert find((256, 256), (2, 2)) == (128, 128)
    with pytest.raises(BadWeights, match="no known way"):
        find((200, 256), (2, 2))
