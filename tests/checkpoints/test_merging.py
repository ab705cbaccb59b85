"""Merges of tiny checkpoints: values against formulas, bytes against bytes, and what is refused before any work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.support.checkpoint_models import (
    CLIP,
    UNET,
    apply_node,
    expect,
    hash_tensors,
    is_merged,
    load_node,
    mix,
    save,
    tiny,
)

import underdrawing
from underdrawing.checkpoints.inspecting import inspect_checkpoint
from underdrawing.checkpoints.merging import merge, plan_recipe
from underdrawing.checkpoints.recipe import Apply, Load, make_recipe
from underdrawing.core.errors import BadParameter, BadWeights, Cancelled, WriteFailed

if TYPE_CHECKING:
    from torch import Tensor

LAYER = f"{UNET}input_blocks.0.0.weight"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: save(tmp_path / f"{name}.safetensors", tiny(seed)) for seed, name in enumerate("abc")}


def check(path: Path, wanted: dict[str, Tensor]) -> None:
    found = load_file(path)
    assert set(found) == set(wanted)
    for key, tensor in wanted.items():
        assert found[key].dtype == tensor.dtype, key
        assert torch.equal(found[key], tensor), key


def test_a_weighted_sum_is_rounded_once(files: dict[str, Path], tmp_path: Path) -> None:
    report = merge(apply_node("weighted_sum", files["a"], files["b"], alpha=0.3), tmp_path / "o.safetensors")
    check(tmp_path / "o.safetensors", expect(mix(0.3), tiny(0), tiny(1)))
    assert report.data["family"] == "sd1"
    assert report.data["dtype"] == "fp16, fp32"
    assert report.data["keys"] == len(tiny())


def test_the_public_name_is_the_function() -> None:
    assert underdrawing.merge is merge


def test_the_hash_is_that_of_the_file_and_the_same_again(files: dict[str, Path], tmp_path: Path) -> None:
    import hashlib

    node = apply_node("dare", files["a"], files["b"], files["c"], seed=3)
    one = merge(node, tmp_path / "o.safetensors")
    torch.manual_seed(99)
    torch.rand(7)
    (tmp_path / "elsewhere").mkdir()
    moved = [save(tmp_path / "elsewhere" / f"{n}.safetensors", tiny(seed)) for seed, n in enumerate("abc")]
    other = merge(apply_node("dare", *moved, seed=3), tmp_path / "p.safetensors")
    assert (tmp_path / "o.safetensors").read_bytes() == (tmp_path / "p.safetensors").read_bytes()
    assert one.data["sha256"] == hashlib.sha256((tmp_path / "o.safetensors").read_bytes()).hexdigest()
    assert one.data["sha256"] == other.data["sha256"]
    merge(apply_node("dare", *moved, seed=4), tmp_path / "p.safetensors")
    assert hash_tensors(tmp_path / "p.safetensors") != hash_tensors(tmp_path / "o.safetensors")


@pytest.mark.parametrize("alpha", [0, 1])
def test_the_ends_are_the_parents_to_the_bit(files: dict[str, Path], tmp_path: Path, alpha: float) -> None:
    a, b = tiny(0), tiny(1)
    a[LAYER].view(-1)[0] = -0.0
    save(files["a"], a)
    merge(apply_node("weighted_sum", files["a"], files["b"], alpha=alpha), tmp_path / "o.safetensors")
    wanted = {key: (b if alpha and is_merged(key) else a)[key] for key in a}
    check(tmp_path / "o.safetensors", wanted)
    found = load_file(tmp_path / "o.safetensors")[LAYER].view(torch.int16)
    assert torch.equal(found, wanted[LAYER].view(torch.int16)), "-0 stays -0"


def test_block_weights_replace_alpha(files: dict[str, Path], tmp_path: Path) -> None:
    values = [0.0] * 26
    values[0], values[13], values[25] = 1.0, 0.25, 0.75
    text = ",".join(map(str, values))
    merge(apply_node("weighted_sum", files["a"], files["b"], blocks=text, alpha=0.9), tmp_path / "o.safetensors")
    a, b, found = tiny(0), tiny(1), load_file(tmp_path / "o.safetensors")
    assert torch.equal(found[f"{CLIP}encoder.layers.0.mlp.fc1.weight"], b[f"{CLIP}encoder.layers.0.mlp.fc1.weight"])
    assert torch.equal(found[LAYER], a[LAYER])
    middle, out = f"{UNET}middle_block.0.in_layers.2.weight", f"{UNET}out.2.weight"
    assert torch.equal(found[middle], torch.lerp(a[middle].float(), b[middle].float(), 0.25).half())
    assert torch.equal(found[out], torch.lerp(a[out].float(), b[out].float(), 0.75).half())


def test_recipes_nest_in_one_pass_and_round_once(files: dict[str, Path], tmp_path: Path) -> None:
    inner = apply_node("weighted_sum", files["b"], files["c"], alpha=0.25)
    node = {
        "type": "cast",
        "dtype": "fp32",
        "input": apply_node("add_difference", files["a"], inner, files["b"], alpha=2),
    }
    merge(node, tmp_path / "o.safetensors")
    models = tiny(0), tiny(1), tiny(2)

    def formula(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return (torch.lerp(b, c, 0.25) - b) * 2 + a

    wanted = expect(formula, *models, dtype=torch.float32)
    check(tmp_path / "o.safetensors", wanted)


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
def test_dtypes_are_rounded_to_from_float32(tmp_path: Path, dtype: str) -> None:
    from underdrawing.checkpoints.nodes import DTYPES

    a, b = tiny(0, dtype=torch.float32), tiny(1, dtype=torch.bfloat16)
    one, two = save(tmp_path / "a.safetensors", a), save(tmp_path / "b.ckpt", b)
    merge({"type": "cast", "dtype": dtype, "input": apply_node("weighted_sum", one, two)}, tmp_path / "o.safetensors")
    check(tmp_path / "o.safetensors", expect(mix(0.5), a, b, dtype=DTYPES[dtype]))


def test_inpainting_models_keep_their_other_channels(files: dict[str, Path], tmp_path: Path) -> None:
    wide = save(tmp_path / "wide.safetensors", tiny(5, channels=9))
    node = apply_node("add_difference", wide, files["b"], files["c"], alpha=1)
    report = merge(node, tmp_path / "o.safetensors")
    own, b, c = tiny(5, channels=9), tiny(1), tiny(2)
    found = load_file(tmp_path / "o.safetensors")[LAYER]
    assert torch.equal(found[:, 4:], own[LAYER][:, 4:])
    wanted = (own[LAYER][:, :4].float() + (b[LAYER].float() - c[LAYER].float())).half()
    assert torch.equal(found[:, :4], wanted)
    assert report.data["variant"] == "inpainting"
    with pytest.raises(BadWeights, match="must come first"):
        merge(apply_node("weighted_sum", files["a"], wide), tmp_path / "o.safetensors")


def test_positions_are_repaired_and_averaged_weights_left_out(tmp_path: Path) -> None:
    a, b = tiny(0, ema=True), tiny(1, ema=True)
    ids = f"{CLIP}embeddings.position_ids"
    a[ids] = a[ids].half() + 0.4
    one, two = save(tmp_path / "a.safetensors", a), save(tmp_path / "b.safetensors", b)
    report = merge(apply_node("weighted_sum", one, two), tmp_path / "o.safetensors")
    found = load_file(tmp_path / "o.safetensors")
    assert torch.equal(found[ids], torch.arange(77).reshape(1, 77))
    assert not [key for key in found if key.startswith("model_ema.")]
    assert any("averaged" in note for note in report.notes)
    node = apply_node("no_interpolation", load_node(one, ema="use"))
    merge(node, tmp_path / "o.safetensors")
    average = a[f"model_ema.{LAYER.removeprefix('model.').replace('.', '')}"]
    assert torch.equal(load_file(tmp_path / "o.safetensors")[LAYER], average)


def test_the_earliest_text_encoder_names_are_matched(files: dict[str, Path], tmp_path: Path) -> None:
    b = {key.replace(".text_model.", "."): tensor for key, tensor in tiny(1).items()}
    old = save(tmp_path / "old.ckpt", b)
    merge(apply_node("weighted_sum", files["a"], old, alpha=0.3), tmp_path / "o.safetensors")
    check(tmp_path / "o.safetensors", expect(mix(0.3), tiny(0), tiny(1)))


def test_the_vae_is_kept_merged_or_replaced(files: dict[str, Path], tmp_path: Path) -> None:
    merge(apply_node("weighted_sum", files["a"], files["b"], vae="merge"), tmp_path / "o.safetensors")
    check(tmp_path / "o.safetensors", expect(mix(0.5), tiny(0), tiny(1), vae=True))
    own = {k.removeprefix("first_stage_model."): t for k, t in tiny(2).items() if k.startswith("first_stage_model.")}
    vae = save(tmp_path / "vae.ckpt", {**own, "loss.logvar": torch.zeros(1)})
    node = {"type": "bake_vae", "input": apply_node("weighted_sum", files["a"], files["b"]), "vae": load_node(vae)}
    merge(node, tmp_path / "o.safetensors")
    wanted = expect(mix(0.5), tiny(0), tiny(1))
    check(tmp_path / "o.safetensors", {**wanted, **{f"first_stage_model.{k}": t for k, t in own.items()}})


@pytest.mark.parametrize(
    "weights",
    [
        {"elements": "IN05:attn:0.3,VAE::0.5"},
        {"elements": "IN05:attn:0.3\nOUT11-VAE::0.5"},
        {"blocks": "own"},
        {"method": "sum_twice", "beta_blocks": ",".join(["0"] * 26 + ["0.5"])},
    ],
)
def test_every_way_to_give_the_vae_a_weight_counts(
    files: dict[str, Path], tmp_path: Path, weights: dict[str, str]
) -> None:
    method = weights.get("method", "weighted_sum")
    inputs = [files["a"], files["a" if method == "sum_twice" else "b"], files["b"]][: 3 if method == "sum_twice" else 2]
    recipe = {**apply_node(method, *inputs, alpha=0), **weights}
    merge(recipe, tmp_path / "o.safetensors", presets={"own": ",".join(["0"] * 26 + ["0.5"])})
    key = "first_stage_model.decoder.conv_in.weight"
    assert torch.equal(load_file(tmp_path / "o.safetensors")[key], expect(mix(0.5), tiny(0), tiny(1), vae=True)[key])


def test_models_that_do_not_fit_are_refused_before_any_work(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    sdxl = save(tmp_path / "sdxl.safetensors", tiny(1, family="sdxl"))
    with pytest.raises(BadWeights, match=r"is SDXL, and a.safetensors is SD 1\.x"):
        merge(apply_node("weighted_sum", files["a"], sdxl), out)
    broad = {**tiny(1), f"{UNET}out.2.weight": torch.zeros(4, 1, 3, 3).half()}
    with pytest.raises(BadWeights, match=r"another shape.*out\.2\.weight"):
        merge(apply_node("weighted_sum", files["a"], save(tmp_path / "broad.safetensors", broad)), out)
    with pytest.raises(BadParameter, match="3 checkpoints"):
        merge(apply_node("add_difference", files["a"], files["b"]), out)
    with pytest.raises(BadParameter, match="one of the inputs"):
        merge(apply_node("weighted_sum", files["a"], files["b"]), files["a"])
    with pytest.raises(BadWeights, match="recipe was made with"):
        merge(apply_node("weighted_sum", load_node(files["a"], sha256="0" * 64), files["b"]), out)
    with pytest.raises(BadParameter, match="beta"):
        merge(apply_node("weighted_sum", files["a"], files["b"], beta=1.0), out)
    assert not out.exists()


def test_what_is_not_finite_is_refused_with_its_keys(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    out.write_bytes(b"old")
    b = tiny(1)
    b[LAYER].view(-1)[5] = float("nan")
    b["first_stage_model.decoder.conv_in.weight"].view(-1)[0] = float("inf")
    bad = save(tmp_path / "bad.safetensors", b)
    with pytest.raises(BadWeights, match=r"1 weights.*input_blocks\.0\.0\.weight: NaN"):
        merge(apply_node("weighted_sum", files["a"], bad), out)
    with pytest.raises(BadWeights, match=r"conv_in\.weight: NaN or infinite in bad\.safetensors itself"):
        merge(apply_node("no_interpolation", bad), out)
    with pytest.raises(BadWeights, match="more than float16 holds"):
        merge(apply_node("self", files["a"], alpha=10.0) | {"inputs": [big(tmp_path)]}, out)
    assert out.read_bytes() == b"old"
    report = merge(apply_node("weighted_sum", files["a"], bad), out, allow_damaged=True)
    assert any(LAYER in note for note in report.notes)


def big(folder: Path) -> dict[str, object]:
    model = tiny(0)
    model[LAYER][:] = 60000
    return load_node(save(folder / "big.safetensors", model))


def test_metadata_tells_how_to_make_it_again(files: dict[str, Path], tmp_path: Path) -> None:
    save(files["a"], tiny(0), {"modelspec.title": "old", "ss_tag": "kept"})
    node = apply_node("weighted_sum", files["a"], files["b"], alpha=0.3)
    merge(node, tmp_path / "o.safetensors")
    merge(apply_node("weighted_sum", tmp_path / "o.safetensors", files["c"]), tmp_path / "p.safetensors")
    with safe_open(tmp_path / "p.safetensors", "pt") as file:
        metadata = file.metadata()
    models = json.loads(metadata["sd_merge_models"])
    assert {entry["name"] for entry in models.values()} == {
        "o.safetensors",
        "a.safetensors",
        "b.safetensors",
        "c.safetensors",
    }
    recipe = json.loads(metadata["sd_merge_recipe"])
    assert recipe["interp_method"] == "Weighted sum"
    assert recipe["primary_model_hash"] in models
    own = json.loads(metadata["underdrawing_recipe"])
    assert [one["path"] for one in own["inputs"]] == ["o.safetensors", "c.safetensors"]
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert metadata["ss_tag"] == "kept"
    assert "modelspec.title" not in metadata


def test_a_merge_is_cancelled_without_a_trace(files: dict[str, Path], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise Cancelled("cancelled")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(Cancelled):
        merge(apply_node("weighted_sum", files["a"], files["b"]), tmp_path / "o.safetensors", stop)
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == [
        p for p in before if p.name != "cache"
    ]


def test_an_input_that_changes_meanwhile_stops_the_merge(files: dict[str, Path], tmp_path: Path) -> None:
    def touch(done: int, total: int) -> None:
        save(files["b"], tiny(7))

    with pytest.raises(BadWeights, match="changed while it was read"):
        merge(apply_node("weighted_sum", files["a"], files["b"]), tmp_path / "o.safetensors", touch)
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize("text", ["[1]", "5", '{"a":' * 100_000 + "1" + "}" * 100_000, '{"a":' * 900 + "1" + "}" * 900])
def test_metadata_of_other_tools_that_is_odd_stops_nothing(files: dict[str, Path], tmp_path: Path, text: str) -> None:
    odd = {"sd_merge_models": text, "sd_merge_recipe": text, "underdrawing_recipe": text}
    file = save(tmp_path / "odd.safetensors", tiny(1), odd)
    merge(apply_node("weighted_sum", files["a"], file), tmp_path / "o.safetensors")
    inspect_checkpoint(file, lambda done, total: None)
    json.dumps(inspect_checkpoint(tmp_path / "o.safetensors", lambda done, total: None).data, indent=2)


def test_files_whose_names_are_no_utf8_are_merged(files: dict[str, Path], tmp_path: Path) -> None:
    try:
        other = files["b"].rename(tmp_path / os.fsdecode(b"\xff.safetensors"))
    except OSError:
        pytest.skip("this file system has no such names")
    node = Apply(method="weighted_sum", inputs=(Load(path=str(files["a"])), Load(path=str(other))))
    out = merge(node, tmp_path / "o.safetensors")
    with safe_open(tmp_path / "o.safetensors", "pt") as file:
        assert "?.safetensors" in file.metadata()["underdrawing_recipe"]
    assert out.data["keys"] == len(tiny())


def test_tensors_of_many_dimensions_are_not_smoothed(tmp_path: Path) -> None:
    made = [save(tmp_path / f"{seed}.safetensors", {"x.weight": torch.full([2] * 12, seed + 1.0)}) for seed in range(3)]
    with pytest.raises(BadWeights, match="12 dimensions"):
        merge(apply_node("smooth_add", *made), tmp_path / "o.safetensors")
    assert not (tmp_path / "o.safetensors").exists()


def test_bounds_of_parameters_name_the_command_that_shows_them(files: dict[str, Path], tmp_path: Path) -> None:
    for fields in ({"params": {"alpha": 99}}, {"blocks": ",".join(["99"] * 26)}):
        node = {**apply_node("weighted_sum", files["a"], files["b"]), **fields}
        with pytest.raises(BadParameter, match="checkpoint merge --help"):
            merge(node, tmp_path / "o.safetensors")


def test_a_result_that_reads_back_otherwise_is_not_kept(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = apply_node("weighted_sum", files["a"], files["b"], alpha=0.3)
    plain = merge(node, tmp_path / "plain.safetensors")
    checked = merge(node, tmp_path / "o.safetensors", verify=True)
    assert checked.data["sha256"] == plain.data["sha256"]
    kept = (tmp_path / "o.safetensors").read_bytes()
    read = os.read
    monkeypatch.setattr(os, "read", lambda number, count: read(number, count).replace(b"F16", b"F61"))  # type: ignore[reportUnknownLambdaType]
    with pytest.raises(WriteFailed, match="read back with other bytes"):
        merge(node, tmp_path / "o.safetensors", verify=True)
    assert (tmp_path / "o.safetensors").read_bytes() == kept
    assert not list(tmp_path.glob(".ud-*"))


def test_a_plan_says_how_long_it_takes(files: dict[str, Path]) -> None:
    data = plan_recipe(make_recipe(apply_node("slerp", files["a"], files["b"], alpha=0.3))).data
    assert data["seconds"] >= 0
