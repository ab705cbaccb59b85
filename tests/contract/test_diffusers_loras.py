"""LoRA files are read as diffusers' conversions read them, layer for layer, where these read them right.

Where they do not (0.42.1): Flux.1's final layer loses its alpha; Flux.2's keeps its halves as they were; those of
Black Forest Labs' control LoRAs and of HunyuanVideo swap the halves of the rank, too; HunyuanVideo's token refiner is
cut along its rank; Lumina 2 takes layers of blocks only.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from tests.support.transformer_files import WRITERS, Writer, make_sample
from tests.support.transformer_models import shrink

from underdrawing.adapters import load_adapter
from underdrawing.adapters.deltas.dense import SetWeight
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.rows import take_rows
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.rows import canonical_modules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter

pytest.importorskip("diffusers", reason="needs diffusers, whose conversions are compared: pip install diffusers")
BY_ID = {writer.id: writer for writer in WRITERS}
Tensors = dict[str, "Tensor"]


class Case(NamedTuple):
    """A writer and the conversion that diffusers has for it.

    layers: a pattern of those that it takes. wrong: of those that it gets wrong. wide: whether it takes the released
    width only.
    """

    architecture: str
    writer: str
    convert: str
    layers: str = ""
    wrong: str = "^$"
    wide: bool = False


_ONE, _TO = "_convert", "_lora_to_diffusers"
CASES = (
    Case("flux1", "OneTrainer KOHYA", f"{_ONE}_kohya_flux{_TO}", wrong="norm_out|[.]proj_out$", wide=True),
    Case("wan", "musubi converted", f"{_ONE}_non_diffusers_wan{_TO}", "^(?!vace_|face_|pose_)"),
    Case("qwen_image", "ai-toolkit", f"{_ONE}_non_diffusers_qwen{_TO}"),
    Case("z_image", "ai-toolkit", f"{_ONE}_non_diffusers_z_image{_TO}"),
    Case("anima", "musubi converted", f"{_ONE}_non_diffusers_anima{_TO}"),
    Case("krea2", "musubi converted", f"{_ONE}_non_diffusers_krea2{_TO}"),
    Case("lumina2", "musubi converted", f"{_ONE}_non_diffusers_lumina2{_TO}", "layers|refiner", wide=True),
    Case("hunyuan_video", "musubi converted", f"{_ONE}_hunyuan_video{_TO}", "^(?!.*refin)", "norm_out", wide=True),
    Case("flux2", "musubi converted", f"{_ONE}_non_diffusers_flux2{_TO}", wrong="norm_out"),
)


def split(adapter: Adapter) -> dict[str, LowRank]:
    """Layers as diffusers has them."""
    found: dict[str, LowRank] = {}
    for module, delta in adapter.modules.items():
        assert isinstance(delta, LowRank)
        extent = delta.extent
        name = module.removeprefix("transformer.")
        rows = canonical_modules(adapter.architecture, name, (extent.rows, extent.cols))
        for part in rows if len(rows) > 1 else ():
            cut = take_rows(delta, [(part.start, part.length)], extent.rows)
            assert isinstance(cut, LowRank)
            found[part.module] = cut
        if len(rows) < 2:
            found[module] = delta
    return found


def convert(name: str, tensors: Tensors) -> Tensors:
    """diffusers' conversion; names with their part."""
    module = importlib.import_module("diffusers.loaders.lora_conversion_utils")
    function: Callable[[Tensors], Tensors] = getattr(module, name)
    found = {
        key.replace("text_conditioner.", "llm_adapter."): tensor for key, tensor in function(dict(tensors)).items()
    }
    return {key if key.startswith("transformer.") else f"transformer.{key}": tensor for key, tensor in found.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.architecture}-{case.writer}")
def test_the_same_layers_with_the_same_change(case: Case, tmp_path: Path) -> None:
    every = shrink(case.architecture, divisor=2 if case.wide else 256)
    modules = {name: module for name, module in every.items() if re.search(case.layers, name)}
    writer = BY_ID[case.writer]
    writer = replace(writer, algorithms=writer.algorithms[:1])
    sample = make_sample(case.architecture, writer, modules, results=False)
    save_file(sample.tensors, tmp_path / "a.safetensors")
    compare(load_adapter(tmp_path / "a.safetensors"), convert(case.convert, sample.tensors), case.wrong)


def compare(adapter: Adapter, theirs: Tensors, wrong: str = "^$") -> None:
    """The same layers, the same products, the same biases."""
    ours = split(adapter)
    assert adapter.unused == {}
    assert ours.keys() == {key.partition(".lora_")[0] for key in theirs if ".lora_" in key}
    for module, delta in ours.items():
        if re.search(wrong, module):
            continue
        up, down = (theirs[f"{module}.lora_{side}.weight"] for side in "BA")
        probe = torch.randn(down.shape[1], 1)
        own_up, own_down = delta.factors()
        torch.testing.assert_close(own_up @ (own_down @ probe), up @ (down @ probe), rtol=1e-4, atol=1e-4)
        bias = theirs.get(f"{module}.lora_B.bias")
        assert (delta.bias is None) == (bias is None)
        assert bias is None or delta.bias is None or torch.equal(delta.bias, bias)


def make_factors(shapes: Mapping[str, tuple[int, int]], down: str, up: str) -> Tensors:
    tensors: Tensors = {}
    for stem, (rows, columns) in shapes.items():
        tensors |= {f"{stem}.{down}": torch.randn(2, columns), f"{stem}.{up}": torch.randn(rows, 2)}
    return tensors


def test_xlabs(tmp_path: Path) -> None:
    shapes: dict[str, tuple[int, int]] = {}
    for name in ("qkv_lora1", "qkv_lora2", "proj_lora1", "proj_lora2"):
        shapes |= {f"double_blocks.{n}.processor.{name}": (9216 if "qkv" in name else 3072, 3072) for n in range(19)}
    for n in range(38):
        block = f"single_blocks.{n}.processor"
        shapes |= {f"{block}.qkv_lora": (9216, 3072), f"{block}.proj_lora": (3072, 15360)}
    tensors = make_factors(shapes, "down.weight", "up.weight")
    save_file(tensors, tmp_path / "a.safetensors")
    adapter = load_adapter(tmp_path / "a.safetensors")
    theirs = convert(f"{_ONE}_xlabs_flux{_TO}", tensors)
    for n in range(38):  # the rows of the MLP get zeros here and are left out there
        theirs[f"transformer.single_transformer_blocks.{n}.proj_mlp.lora_A.weight"] = torch.zeros(2, 3072)
        theirs[f"transformer.single_transformer_blocks.{n}.proj_mlp.lora_B.weight"] = torch.zeros(12288, 2)
    compare(adapter, theirs)


def test_control_loras_of_black_forest_labs(tmp_path: Path) -> None:
    """Every layer with a bias, the input's wider by the control picture, norms stored whole."""
    network = TRANSFORMER_MODELS["flux1"].transformer
    assert network is not None
    writer = Writer("BFL", "original", "", {"up": "lora_B.weight", "down": "lora_A.weight"})
    modules = network.resize(c=128).modules()
    tensors = make_sample("flux1", writer, modules, results=False).tensors
    tensors |= {key.replace(".weight", ".bias"): torch.randn(len(t)) for key, t in tensors.items() if ".lora_B." in key}
    blocks = [*(f"double_blocks.{n}.{side}_attn" for n in range(19) for side in ("img", "txt"))]
    blocks += [f"single_blocks.{n}" for n in range(38)]
    norms = [f"{block}.norm.{name}_norm.scale" for block in blocks for name in ("query", "key")]
    tensors |= {key: torch.randn(128) for key in norms}
    save_file(tensors, tmp_path / "a.safetensors")
    adapter = load_adapter(tmp_path / "a.safetensors")
    theirs = convert(f"{_ONE}_bfl_flux_control{_TO}", tensors)
    weights = {m: delta.weight for m, delta in adapter.modules.items() if isinstance(delta, SetWeight)}
    assert {f"{module}.weight" for module in weights} == {key for key in theirs if ".lora_" not in key}
    assert all(torch.equal(weight, theirs[f"{module}.weight"]) for module, weight in weights.items())
    loras = {module: delta for module, delta in adapter.modules.items() if module not in weights}
    compare(replace(adapter, modules=loras), theirs, wrong="norm_out")
