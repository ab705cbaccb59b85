"""Checkpoints of one model merge whatever their names: other prefixes, q, k and v in one weight or in three.

How diffusers divides the weights stands in golden/checkpoints/transformer_names.json, made by its own converters.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import UNET, apply_node, save, tiny

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.rows import match_name, original_rows
from underdrawing.adapters.modules.sizes import compute_size
from underdrawing.checkpoints.merging import merge
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from torch import Tensor

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "checkpoints" / "transformer_names.json").read_text("utf-8")
)


def has_own_names(name: str) -> bool:
    """Whether the maker's names are others than those of diffusers."""
    transformer = TRANSFORMER_MODELS[name].transformer
    return transformer is not None and any(layer.name not in layer.originals for layer in transformer.layers)


def draw_model(name: str, seed: int) -> dict[str, Tensor]:
    """Tiny weights of a model under the names of diffusers, with the tensors that belong to no layer."""
    transformer = TRANSFORMER_MODELS[name].transformer
    assert transformer is not None
    counts = {key: 2 for key in transformer.numbers if len(key) > 1}
    sizes = {"d": 8, "m": 12, "k": 4, "h": 4, "t": 8, "c": 4, "o": 4, "v": 4, "a": 4, "n": 4, "p": 4, "s": 4, "i": 4}
    tiny = transformer.resize(**counts, **{key: size for key, size in sizes.items() if key in transformer.numbers})
    shapes = {f"{key}.weight": module.shape for key, module in tiny.modules().items()}
    shapes |= {f"{key}.bias": module.shape[:1] for key, module in tiny.modules().items() if module.bias}
    for layer in tiny.layers:
        if layer.value:
            shape = tuple(compute_size(size, tiny.numbers) for size in layer.shape)
            shapes |= {layer.name.replace("#", str(number)): shape for number in range(1 + ("#" in layer.name))}
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator).half() for key, shape in shapes.items()}


def join_model(name: str, parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same as the maker has it."""
    pieces: dict[str, list[Tensor]] = {}
    for key, tensor in parts.items():
        module, _, parameter = key.rpartition(".")
        layer = parameter in ("weight", "bias")
        match = match_name(name, module if layer else key)
        assert match is not None
        own = match.parameter if parameter == "weight" else parameter
        pieces.setdefault(f"{match.original}.{own}" if layer else match.original, []).append(
            swap(name, module, tensor, parts) if layer else tensor
        )
    return {key: torch.cat(tensors) if len(tensors) > 1 else tensors[0] for key, tensors in pieces.items()}


def swap(name: str, module: str, tensor: Tensor, parts: dict[str, Tensor]) -> Tensor:
    """Rows as the maker orders them."""
    match = match_name(name, module)
    assert match is not None
    rows = original_rows(name, module, {match.original: parts[f"{module}.weight"].shape})
    return torch.cat(tensor.chunk(2)[::-1]) if rows is not None and rows.swapped else tensor


def draw(model: str, seed: int) -> dict[str, Tensor]:
    """A file of the maker's."""
    generator = torch.Generator().manual_seed(seed)
    shapes: dict[str, list[int]] = GOLDEN[model]["shapes"]
    return {key: torch.randn(shape, generator=generator).half() for key, shape in shapes.items()}


def divide(model: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same as diffusers has it."""
    parts: dict[str, tuple[str, list[int]]] = GOLDEN[model]["parts"]
    return {key: tensors[name][rows].contiguous() for key, (name, rows) in parts.items()}


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert set(found) == set(wanted)
    for key, tensor in wanted.items():
        assert torch.equal(found[key], tensor), key


@pytest.mark.parametrize("model", GOLDEN)
def test_fused_and_divided_weights_merge(model: str, tmp_path: Path) -> None:
    a, b = draw(model, 0), draw(model, 1)
    plain = [save(tmp_path / f"{name}.safetensors", one) for name, one in zip("ab", (a, b), strict=True)]
    merge(apply_node("weighted_sum", *plain, alpha=0.3), tmp_path / "wanted.safetensors")
    wanted = load_file(tmp_path / "wanted.safetensors")
    bare = save(tmp_path / "prefixed.safetensors", {f"model.diffusion_model.{key}": t for key, t in a.items()})
    divided = [save(tmp_path / f"d{n}.safetensors", divide(model, one)) for n, one in enumerate((a, b))]
    out = tmp_path / "o.safetensors"
    report = merge(apply_node("weighted_sum", bare, divided[1], alpha=0.3), out)
    assert any("names and divisions of" in note for note in report.notes)
    assert not any("lacks" in note for note in report.notes), report.notes
    assert_equal(load_file(out), {f"model.diffusion_model.{key}": tensor for key, tensor in wanted.items()})
    merge(apply_node("weighted_sum", divided[0], plain[1], alpha=0.3), out)
    assert_equal(load_file(out), divide(model, wanted))
    inner = apply_node("slerp", divided[1], divided[0], alpha=0.0)
    merge(apply_node("weighted_sum", plain[0], inner, alpha=0.3), out)
    assert_equal(load_file(out), wanted)
    merge(apply_node("weighted_sum", plain[0], bare, alpha=1.0), out)
    assert_equal(load_file(out), a)


@pytest.mark.parametrize("name", [name for name in TRANSFORMER_MODELS if has_own_names(name)])
def test_every_model_merges_with_its_makers_file(name: str, tmp_path: Path) -> None:
    parts, joint = draw_model(name, 0), join_model(name, draw_model(name, 1))
    a, b = save(tmp_path / "parts.safetensors", parts), save(tmp_path / "joint.safetensors", joint)
    merge(apply_node("weighted_sum", a, b, alpha=1.0), tmp_path / "o.safetensors")
    assert_equal(load_file(tmp_path / "o.safetensors"), draw_model(name, 1))
    merge(apply_node("weighted_sum", b, a, alpha=1.0), tmp_path / "o.safetensors")
    assert_equal(load_file(tmp_path / "o.safetensors"), join_model(name, parts))


def test_a_folder_of_diffusers_merges_with_a_makers_file(tmp_path: Path) -> None:
    a, b = draw("Flux.1", 0), draw("Flux.1", 1)
    folder, file = tmp_path / "folder", save(tmp_path / "a.safetensors", a)
    save(folder / "transformer" / "diffusion_pytorch_model.safetensors", divide("Flux.1", b))
    (folder / "transformer" / "config.json").write_text('{"_class_name": "FluxTransformer2DModel"}')
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline", "transformer": ["diffusers", "x"]}')
    merge(apply_node("weighted_sum", file, folder, alpha=1.0), tmp_path / "o.safetensors")
    assert_equal(load_file(tmp_path / "o.safetensors"), b)
    merge(apply_node("weighted_sum", folder, file, alpha=1.0), tmp_path / "made")
    made = load_file(tmp_path / "made" / "transformer" / "diffusion_pytorch_model.safetensors")
    assert_equal(made, divide("Flux.1", a))


def test_a_bare_unet_merges_with_a_whole_checkpoint(tmp_path: Path) -> None:
    whole, other = tiny(0), tiny(1)
    unet = {key.removeprefix(UNET): tensor for key, tensor in other.items() if key.startswith(UNET)}
    files = save(tmp_path / "a.safetensors", whole), save(tmp_path / "b.safetensors", unet)
    report = merge(apply_node("weighted_sum", *files, alpha=1.0), tmp_path / "o.safetensors")
    assert any("prefixes" in note for note in report.notes)
    found = load_file(tmp_path / "o.safetensors")
    assert_equal(found, {key: other[key] if key.startswith(UNET) else tensor for key, tensor in whole.items()})


def test_what_no_map_knows_is_refused_by_name(tmp_path: Path) -> None:
    draw_one = torch.randn
    common = {f"blocks.{n}.mlp.weight": draw_one(4, 4) for n in range(9)}
    fused = {**common, "blocks.0.attn.qkv.weight": draw_one(12, 4)}
    parts = {**common, **{f"blocks.0.attn.to_{name}.weight": draw_one(4, 4) for name in "qkv"}}
    files = save(tmp_path / "a.safetensors", fused), save(tmp_path / "b.safetensors", parts)
    for pair in (files, files[::-1]):
        with pytest.raises(BadWeights, match=r"blocks\.0\.attn"):
            merge(apply_node("weighted_sum", *pair, alpha=0.5), tmp_path / "o.safetensors")
    short = draw("Flux.1", 0)
    narrow = divide(
        "Flux.1", {key: t[..., :2].contiguous() if t.ndim > 1 else t for key, t in draw("Flux.1", 1).items()}
    )
    files = save(tmp_path / "c.safetensors", short), save(tmp_path / "d.safetensors", narrow)
    for pair in (files, files[::-1]):
        with pytest.raises(BadWeights, match="another shape"):
            merge(apply_node("weighted_sum", *pair, alpha=0.5), tmp_path / "o.safetensors")


@pytest.mark.parametrize("shape", [[], [8, 2], [16], [4, 4, 1]])
def test_parts_that_do_not_make_one_weight_are_missing(shape: list[int], tmp_path: Path) -> None:
    joint, parts = draw("Flux.1", 0), divide("Flux.1", draw("Flux.1", 1))
    name = "transformer_blocks.0.attn.to_k.weight"
    files = [
        save(tmp_path / "joint.safetensors", joint),
        save(tmp_path / "odd.safetensors", {**parts, name: torch.zeros(shape).half()}),
    ]
    out = tmp_path / "o.safetensors"
    report = merge(apply_node("weighted_sum", *files, alpha=1.0), out)
    assert any("double_blocks.0.img_attn.qkv.weight" in note for note in report.notes)
    assert torch.equal(
        load_file(out)["double_blocks.0.img_attn.qkv.weight"], joint["double_blocks.0.img_attn.qkv.weight"]
    )


def test_a_joint_weight_without_rows_is_missing(tmp_path: Path) -> None:
    joint = {**draw("Flux.1", 0), "double_blocks.0.img_attn.qkv.weight": torch.tensor(1.0)}
    files = [
        save(tmp_path / "parts.safetensors", divide("Flux.1", draw("Flux.1", 1))),
        save(tmp_path / "odd.safetensors", joint),
    ]
    report = merge(apply_node("weighted_sum", *files, alpha=1.0), tmp_path / "o.safetensors")
    assert any("transformer_blocks.0.attn.to_q.weight" in note for note in report.notes)
