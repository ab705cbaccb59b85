"""Single files and diffusers folders, both ways: every tensor comes back, and what has no place is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.support.checkpoint_models import apply_node, load_node, save
from tests.support.official import key_list
from tests.support.small_models import UNETS, make_file, write_networks

from underdrawing.checkpoints.comparing import compare_checkpoints
from underdrawing.checkpoints.inspecting import inspect_checkpoint
from underdrawing.checkpoints.merging import merge
from underdrawing.checkpoints.recipe import read_recipe
from underdrawing.core.errors import BadParameter, BadWeights, Cancelled, WriteFailed

if TYPE_CHECKING:
    from torch import Tensor

UNREAD = {
    "sd1": (),
    "sd2": ("logit_scale", ".resblocks.23.", "text_projection"),
    "sdxl": ("logit_scale",),
}
"""What diffusers' networks do not have."""


def ignore(done: int, total: int) -> None:
    del done, total


def read_parts(folder: Path) -> dict[str, dict[str, Tensor]]:
    return {file.parent.name: load_file(file) for file in sorted(folder.glob("*/*.safetensors"))}


def is_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return set(one) == set(other) and all(
        one[key].shape == other[key].shape and torch.equal(one[key], other[key]) for key in one
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Family → a single file and the folder that was made of it."""
    folder = tmp_path_factory.mktemp("forms")
    found: dict[str, tuple[Path, Path]] = {}
    for family in UNETS:
        file = save(folder / f"{family}.safetensors", make_file(family))
        merge(load_node(file), folder / family)
        found[family] = file, folder / family
    return found


@pytest.mark.parametrize("family", UNETS)
def test_a_single_file_comes_back_from_its_folder(
    made: dict[str, tuple[Path, Path]], family: str, tmp_path: Path
) -> None:
    file, folder = made[family]
    report = merge(load_node(folder), tmp_path / "back.safetensors")
    kept = {k: v for k, v in load_file(file).items() if not any(name in k for name in UNREAD[family])}
    assert is_equal(load_file(tmp_path / "back.safetensors"), kept)
    assert report.data["keys"] == len(kept)
    merge(load_node(tmp_path / "back.safetensors"), tmp_path / "again")
    for path in folder.glob("*/*.safetensors"):
        assert is_equal(load_file(path), load_file(tmp_path / "again" / path.relative_to(folder))), path.name
        if path.parent.name != "unet":  # that holds the recipe
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


@pytest.mark.parametrize("family", UNETS)
def test_networks_have_diffusers_own_names(made: dict[str, tuple[Path, Path]], family: str) -> None:
    parts = read_parts(made[family][1])
    assert set(parts["unet"]) == set(key_list(UNETS[family]))
    if family != "sd2":
        assert set(parts["text_encoder"]) == set(key_list("clip_l_canonical_text_model_prefix"))
    if family == "sd2":
        assert set(parts["text_encoder"]) == {f"text_model.{key}" for key in key_list("openclip_h_sd2_transformers")}
    if family == "sdxl":
        assert set(parts["text_encoder_2"]) == set(key_list("openclip_bigg_transformers"))
    assert parts["vae"]["decoder.mid_block.attentions.0.to_q.weight"].ndim == 2


def test_what_has_no_place_is_said(made: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    report = merge(load_node(made["sd2"][0]), tmp_path / "folder")
    (note,) = [one for one in report.notes if "no place" in one]
    left = [key for key in make_file("sd2") if any(name in key for name in UNREAD["sd2"])]
    assert note.startswith(f"{len(left)} entries have no place in a diffusers folder")
    written = sum(len(part) for part in read_parts(tmp_path / "folder").values())
    assert report.data["keys"] == written


def test_a_folder_merges_as_its_file_does(made: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    file, folder = made["sd1"]
    other = save(tmp_path / "b.safetensors", make_file("sd1", 1))
    plain = merge(apply_node("weighted_sum", file, other, alpha=0.3), tmp_path / "plain.safetensors")
    mixed = merge(apply_node("weighted_sum", folder, other, alpha=0.3), tmp_path / "mixed.safetensors")
    assert is_equal(load_file(tmp_path / "plain.safetensors"), load_file(tmp_path / "mixed.safetensors"))
    assert plain.data["family"] == mixed.data["family"]


def test_fused_weights_are_merged_whole(made: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    file, folder = made["sd2"]
    other = save(tmp_path / "b.safetensors", make_file("sd2", 1))
    merge(apply_node("slerp", folder, other, alpha=0.3), tmp_path / "both", form="diffusers")
    merge(apply_node("slerp", file, other, alpha=0.3), tmp_path / "alone.safetensors")
    alone, both = load_file(tmp_path / "alone.safetensors"), read_parts(tmp_path / "both")["text_encoder"]
    layer = "resblocks.5.attn.in_proj_weight"
    parts = [both[f"text_model.encoder.layers.5.self_attn.{one}_proj.weight"] for one in "qkv"]
    assert torch.equal(torch.cat(parts), alone[f"cond_stage_model.model.transformer.{layer}"])


def test_a_result_in_a_folder_tells_its_recipe_and_gives_the_same_hash(
    made: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    folder = made["sd1"][1]
    report = merge(load_node(folder), tmp_path / "copy")
    found = inspect_checkpoint(tmp_path / "copy", ignore).data
    assert found["sha256"] == report.data["sha256"]
    assert found["recipe"]["path"] == folder.name
    again = dict(found["recipe"], path=str(folder))
    assert merge(again, tmp_path / "third").data["sha256"] == report.data["sha256"]
    with pytest.raises(BadWeights, match="has the sha256"):
        merge(dict(again, path=str(made["sd2"][1])), tmp_path / "fourth")
    assert not (tmp_path / "fourth").exists()
    compared = compare_checkpoints(made["sd1"][0], tmp_path / "copy", chart="", progress=ignore).data
    assert compared["equal"] == compared["keys"]
    assert not compared["only_a"]


def test_configurations_of_a_folder_are_kept(made: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    folder = made["sd1"][1]
    assert {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "unet/config.json"} <= {
        one.relative_to(folder).as_posix() for one in folder.rglob("*.json")
    }
    merge({"type": "cast", "input": load_node(folder), "drop": ["vae"]}, tmp_path / "pruned")
    assert (tmp_path / "pruned/tokenizer/vocab.json").read_bytes() == (folder / "tokenizer/vocab.json").read_bytes()
    assert json.loads((tmp_path / "pruned/model_index.json").read_text())["vae"] == [None, None]
    assert not (tmp_path / "pruned/vae").exists()


def test_folders_of_other_models_merge_into_folders(tmp_path: Path) -> None:
    def tensors(seed: int) -> dict[str, dict[str, Tensor]]:
        draw = torch.Generator().manual_seed(seed)
        return {
            "transformer": {"blocks.0.attn.to_q.weight": torch.randn(4, 4, generator=draw)},
            "vae": {"decoder.conv_in.weight": torch.randn(4, 4, 3, 3, generator=draw)},
        }

    a, b = (write_networks(tmp_path / name, tensors(seed), "PixPipeline") for seed, name in enumerate("ab"))
    merge(apply_node("weighted_sum", a, b, alpha=0.5), tmp_path / "out")
    found, one, two = read_parts(tmp_path / "out"), tensors(0), tensors(1)
    key = "blocks.0.attn.to_q.weight"
    assert torch.equal(found["transformer"][key], torch.lerp(one["transformer"][key], two["transformer"][key], 0.5))
    assert is_equal(found["vae"], one["vae"])
    with pytest.raises(BadWeights, match="have no names"):
        merge(apply_node("weighted_sum", a, b, alpha=0.5), tmp_path / "out.safetensors")
    with pytest.raises(BadWeights, match="no network that diffusers has names for"):
        merge(load_node(save(tmp_path / "x.safetensors", {"x.weight": torch.ones(2)})), tmp_path / "other")


def test_a_folder_is_whole_or_not_there(made: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    file = made["sd1"][0]

    def stop(done: int, total: int) -> None:
        if total and done > total // 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        merge(load_node(file), tmp_path / "out", stop)
    damaged = load_file(file)
    damaged["first_stage_model.encoder.conv_out.bias"][0] = float("nan")
    with pytest.raises(BadWeights, match="no finite numbers"):
        merge(load_node(save(tmp_path / "nan.safetensors", damaged)), tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
    assert not list(tmp_path.glob(".ud*"))
    (tmp_path / "out").mkdir()
    merge(load_node(file), tmp_path / "out")
    with pytest.raises(WriteFailed, match="is there already"):
        merge(load_node(file), tmp_path / "out")
    with pytest.raises(BadParameter, match=r"end in \.safetensors"):
        merge(load_node(file), tmp_path / "out.v1")
    merge(load_node(file), tmp_path / "out.v1", form="diffusers")
    with pytest.raises(BadWeights, match="is a folder"):
        merge(load_node(tmp_path), tmp_path / "empty")
    assert safe_open(tmp_path / "out/unet/diffusion_pytorch_model.safetensors", "pt").metadata()["format"] == "pt"
    with pytest.raises(BadParameter):
        read_recipe(tmp_path / "out")
