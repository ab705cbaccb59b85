"""LDM names are counted from the model's own keys: as the official models have them, and for pruned and custom ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.modules.architectures import UNET_MODELS
from underdrawing.adapters.modules.layers import UNet
from underdrawing.adapters.modules.ldm_layout import count_blocks, derive_names
from underdrawing.adapters.modules.parts import UNET
from underdrawing.adapters.modules.spellings import to_ldm_name
from underdrawing.adapters.modules.targets import find_slots
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from underdrawing.adapters.adapter import Adapter


@pytest.mark.parametrize("architecture", UNET_MODELS)
def test_official_models_are_as_in_the_fixed_list(architecture: str) -> None:
    names = frozenset(UNET_MODELS[architecture].networks[UNET].modules())
    assert derive_names(to_ldm_name(name, names) for name in names) == {
        to_ldm_name(name, names): name for name in names
    }


def count_ldm(shape: UNet) -> dict[str, str]:
    """diffusers name → LDM name of a UNet with any number of ResNets a level, counted block by block."""
    inner = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    }
    levels, found = len(shape.widths), dict[str, str]()
    for name in shape.modules():
        side, _, rest = name.partition(".")
        if side in ("down_blocks", "up_blocks"):
            level, kind, index, *tail = rest.split(".")
            length = shape.resnets + 1
            if kind == "downsamplers":
                found[name] = f"input_blocks.{length * (int(level) + 1)}.0.op"
            elif kind == "upsamplers":
                place = 2 if shape.depths[levels - 1 - int(level)] else 1
                found[name] = f"output_blocks.{length * int(level) + shape.resnets}.{place}.conv"
            else:
                number = length * int(level) + int(index) + (side == "down_blocks")
                block = "input_blocks" if side == "down_blocks" else "output_blocks"
                own = inner[".".join(tail)] if kind == "resnets" else ".".join(tail)
                found[name] = f"{block}.{number}.{0 if kind == 'resnets' else 1}.{own}"
        elif side == "mid_block":
            kind, index, *tail = rest.split(".")
            own = inner[".".join(tail)] if kind == "resnets" else ".".join(tail)
            found[name] = f"middle_block.{2 * int(index) if kind == 'resnets' else 1}.{own}"
        else:
            found[name] = to_ldm_name(name, frozenset())
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([5, 64, 768]),
)
def test_custom_models_of_any_depth_and_width(depths: list[int], resnets: int, middle: int, context: int) -> None:
    widths = tuple(8 * (number + 1) for number in range(len(depths)))
    shape = UNet(widths, tuple(depths), context, middle=middle, resnets=resnets)
    names = count_ldm(shape)
    slots = find_slots([f"model.diffusion_model.{ldm}.weight" for ldm in names.values()])
    assert {module: slot.key for (module, _), slot in slots.items()} == {
        f"unet.{name}": f"model.diffusion_model.{ldm}.weight" for name, ldm in names.items()
    }


def test_a_pruned_model_is_patched_and_baked(tmp_path: Path) -> None:
    """One ResNet a level and a narrow text encoding, as distilled models have them."""
    shape = UNet((8, 16), (1, 1), 24, resnets=1)
    modules = shape.modules()
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    names = count_ldm(shape)
    assert names[name].startswith("input_blocks.3.1.")
    weights = {f"{names[n]}.weight": torch.randn(m.shape) for n, m in modules.items()}
    stem = f"lora_unet_{name.replace('.', '_')}"
    tensors = {f"{stem}.lora_up.weight": torch.randn(16, 2), f"{stem}.lora_down.weight": torch.randn(2, 24)}
    save_file(tensors, tmp_path / "style.safetensors")
    adapter, before = load_adapter(tmp_path / "style.safetensors"), dict(weights)
    right = adapter.modules[f"unet.{name}"].apply(before[f"{names[name]}.weight"])
    Patcher(unet=weights).set([(adapter, 1.0, 1.0)])
    assert torch.allclose(weights[f"{names[name]}.weight"], right, atol=1e-6)
    save_file({f"model.diffusion_model.{key}": tensor for key, tensor in before.items()}, tmp_path / "base.safetensors")
    bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    after = load_file(tmp_path / "out.safetensors")
    changed = {key for key in after if not torch.equal(after[key], before[key.removeprefix("model.diffusion_model.")])}
    assert changed == {f"model.diffusion_model.{names[name]}.weight"}
    assert torch.allclose(after[min(changed)], right, atol=1e-6)


@pytest.mark.parametrize("hole", ["input_blocks.1.", "output_blocks.0.", "middle_block.1."])
def test_where_blocks_are_missing_nothing_is_counted(hole: str) -> None:
    names = count_ldm(UNet((8, 16), (1, 1), 24))
    assert derive_names(ldm for ldm in names.values() if not ldm.startswith(hole)) == {}


@given(
    st.lists(
        st.from_regex(r"(input|output|middle)_blocks?\.[0-9]\.[0-2]\.(op|conv|in_layers\.0|proj_in)", fullmatch=True)
    )
)
def test_any_keys_give_distinct_names_or_none(keys: list[str]) -> None:
    found = derive_names(keys)
    assert set(found) <= set(keys)


def test_deeper_models_than_the_official_ones() -> None:
    keys = [
        "unet.down_blocks.5.attentions.3.transformer_blocks.20.attn1.to_q.weight",
        "text_encoder.text_model.encoder.layers.40.mlp.fc1.weight",
        "conditioner.embedders.1.model.transformer.resblocks.40.mlp.c_fc.weight",
    ]
    assert sorted(module for module, _ in find_slots(keys)) == [
        "text_encoder.encoder.layers.40.mlp.fc1",
        "text_encoder_2.encoder.layers.40.mlp.fc1",
        "unet.down_blocks.5.attentions.3.transformer_blocks.20.attn1.to_q",
    ]


def test_loras_for_deeper_unets_are_read(tmp_path: Path) -> None:
    name = "down_blocks.3.attentions.2.transformer_blocks.11.attn1.to_q"
    for stem in (f"lora_unet_{name.replace('.', '_')}.lora_%s.weight", f"unet.{name}.lora_%s.weight"):
        words = ("up", "down") if stem.startswith("lora") else ("B", "A")
        tensors = {stem % words[0]: torch.randn(8, 2), stem % words[1]: torch.randn(2, 8)}
        save_file(tensors, tmp_path / "deep.safetensors")
        assert list(load_adapter(tmp_path / "deep.safetensors").modules) == [f"unet.{name}"]


@pytest.mark.parametrize("architecture", UNET_MODELS)
def test_blocks_of_official_models_are_counted_as_in_the_fixed_list(architecture: str) -> None:
    names = frozenset(UNET_MODELS[architecture].networks[UNET].modules())
    fixed = {to_ldm_name(name, names): name for name in names if "_block" in name}
    assert count_blocks(names) == fixed


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 3))
def test_blocks_of_custom_models_are_counted_both_ways(depths: list[int], resnets: int, middle: int) -> None:
    shape = UNet(tuple(8 * (n + 1) for n in range(len(depths))), tuple(depths), 16, middle=middle, resnets=resnets)
    names = count_ldm(shape)
    counted = {ldm: name for name, ldm in names.items() if "_block" in name}
    assert count_blocks(names) == counted
    assert counted.items() <= derive_names(names.values()).items()


@given(st.sets(st.sampled_from(sorted(UNet((8, 16), (1, 1), 24).modules()))))
def test_parts_of_a_model_are_counted_as_the_whole_or_not(kept: set[str]) -> None:
    whole = count_blocks(UNet((8, 16), (1, 1), 24).modules())
    if counted := count_blocks(kept):
        assert set(counted.values()) == {name for name in kept if "_block" in name}
        assert len(counted) <= len(whole)


PRUNED = UNet((8, 8, 8), (1, 1, 1), 24, resnets=1)
"""One ResNet a level and one width, so that what lands on a wrong layer fits there."""


def write_ldm_lora(folder: Path, names: list[str], *, dotted: bool = False) -> Adapter:
    """A LoRA on the to_q of attentions of the LDM layout."""
    tensors: dict[str, torch.Tensor] = {}
    for number, name in enumerate(names):
        stem = f"diffusion_model.{name}" if dotted else f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{stem}.lora_up.weight"] = torch.full((8, 2), number + 1.0)
        tensors[f"{stem}.lora_down.weight"] = torch.ones(2, 8)
    save_file(tensors, folder / "ldm.safetensors")
    return load_adapter(folder / "ldm.safetensors")


def list_queries() -> dict[str, str]:
    """LDM name → diffusers name of every query of self-attention of the pruned model."""
    return {ldm: name for name, ldm in count_ldm(PRUNED).items() if name.endswith("attn1.to_q")}


@pytest.mark.parametrize("layout", ["ldm", "diffusers"])
@pytest.mark.parametrize("dotted", [False, True])
def test_ldm_names_mean_the_layers_of_the_model(tmp_path: Path, layout: str, dotted: bool) -> None:
    numbers, queries = count_ldm(PRUNED), list_queries()
    weights = {
        f"{numbers[name] if layout == 'ldm' else name}.weight": torch.randn(module.shape)
        for name, module in PRUNED.modules().items()
    }
    before = dict(weights)
    adapter = write_ldm_lora(tmp_path, list(queries), dotted=dotted)
    receipt = Patcher(unet=weights).set([(adapter, 1.0, 1.0)])
    assert (receipt.applied, receipt.skipped) == (2 * len(queries), 0)
    changed = {key: tensor - before[key] for key, tensor in weights.items() if not torch.equal(tensor, before[key])}
    right = {
        f"{ldm if layout == 'ldm' else name}.weight": 2.0 * (number + 1)
        for number, (ldm, name) in enumerate(queries.items())
    }
    assert changed.keys() == right.keys()
    assert all(torch.allclose(changed[key], torch.full((8, 8), value), atol=1e-4) for key, value in right.items())
    assert set(receipt.adapters[0].applied.values()) == {f"unet.{name}" for name in queries.values()}


def test_a_checkpoint_is_baked_by_its_own_numbers(tmp_path: Path) -> None:
    numbers = count_ldm(PRUNED)
    base = {f"model.diffusion_model.{numbers[n]}.weight": torch.randn(m.shape) for n, m in PRUNED.modules().items()}
    save_file(base, tmp_path / "base.safetensors")
    adapter = write_ldm_lora(tmp_path, list(list_queries()))
    bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    after = load_file(tmp_path / "out.safetensors")
    changed = {key for key in after if not torch.equal(after[key], base[key])}
    assert changed == {f"model.diffusion_model.{ldm}.weight" for ldm in list_queries()}


def test_where_blocks_cannot_be_counted_names_with_numbers_are_skipped(tmp_path: Path) -> None:
    """A custom model without its first ResNet: the official numbers would fit, and mean other layers."""
    shape = UNet((8,) * 5, (1,) * 5, 24, resnets=1)
    weights = {f"{n}.weight": torch.randn(m.shape) for n, m in shape.modules().items() if "s.0.resnets.0" not in n}
    before = dict(weights)
    adapter = write_ldm_lora(tmp_path, ["input_blocks.1.1.transformer_blocks.0.attn1.to_q"])
    with pytest.raises(BadWeights, match="block number"):
        Patcher(unet=weights).set([(adapter, 1.0, 1.0)])
    receipt = Patcher(unet=weights).set([(adapter, 1.0, 1.0)], allow_empty=True)
    assert (receipt.applied, receipt.skipped) == (0, 2)
    assert all("cannot be counted" in reason for reason in receipt.adapters[0].skipped.values())
    assert all(weights[key] is tensor for key, tensor in before.items())


def test_a_block_that_the_model_has_not_is_skipped(tmp_path: Path) -> None:
    weights = {f"{name}.weight": torch.randn(module.shape) for name, module in PRUNED.modules().items()}
    known = "input_blocks.1.1.transformer_blocks.0.attn1.to_q"
    adapter = write_ldm_lora(tmp_path, [known, "input_blocks.4.1.transformer_blocks.0.attn1.to_q"])
    receipt = Patcher(unet=weights).set([(adapter, 1.0, 1.0)])
    assert (receipt.applied, receipt.skipped) == (2, 2)


def test_parts_of_official_models_are_read_by_the_official_numbers(tmp_path: Path) -> None:
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    weights = {f"{name}.weight": torch.zeros(8, 8)}
    adapter = write_ldm_lora(tmp_path, ["input_blocks.4.1.transformer_blocks.0.attn1.to_q"])
    assert Patcher(unet=weights).set([(adapter, 1.0, 1.0)]).applied == 2
    assert float(weights[f"{name}.weight"].sum()) == 128
