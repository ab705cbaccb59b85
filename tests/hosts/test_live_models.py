"""Loaded models as inputs of operations on checkpoints, in a stub of ComfyUI."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.support import live_host
from tests.support.checkpoint_models import UNET, save, tiny
from tests.support.fake_host import Host

from underdrawing.comfy_nodes.operations import nodes
from underdrawing.core.errors import BadParameter, BadWeights, UnderdrawingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

NONE = dict.fromkeys(("ckpt_a", "ckpt_b", "ckpt_c", "ckpt_d"), "none")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    host = Host(tmp_path)
    for name, module in {**host.modules, **live_host.stubs()}.items():
        monkeypatch.setitem(sys.modules, name, module)
    return Path(host.folders["checkpoints"][0])


def run(name: str, **values: Any) -> tuple[Any, ...]:
    return nodes()[name]().run(**values)["result"]


def merge(folder: Path, name: str, **values: Any) -> dict[str, Tensor]:
    run("UnderdrawingCheckpointMerge", **{**NONE, **values}, filename=name)
    return load_file(folder / f"{name}.safetensors")


def inspect(**values: Any) -> dict[str, Any]:
    return json.loads(run("UnderdrawingCheckpointInspect", **{"ckpt_name": "none", **values})[1])


def assert_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for key, tensor in expected.items():
        assert found[key].dtype == tensor.dtype, key
        assert torch.equal(found[key], tensor.contiguous()), key


def test_what_is_saved_of_a_loaded_model_with_patches_is_what_the_host_saves(folder: Path) -> None:
    model, clip, vae = live_host.load(tiny(0))
    parts = model.patched(1, 2), live_host.make_clip(clip.patcher.patched(2)), vae
    sockets = dict(zip(("model_a", "clip_a", "vae_a"), parts, strict=True))
    assert_bits(merge(folder, "saved", **sockets, method="no_interpolation"), live_host.save(*parts))
    plain = {"model_a": model, "clip_a": clip, "vae_a": vae}
    assert_bits(merge(folder, "plain", **plain, method="no_interpolation"), live_host.save(model, clip, vae))


def test_a_loaded_model_merges_as_its_file_does(folder: Path) -> None:
    save(folder / "a.safetensors", tiny(0))
    save(folder / "b.safetensors", tiny(1))
    model, _, vae = live_host.load(tiny(0))
    live = merge(folder, "live", model_a=model, vae_a=vae, ckpt_b="b.safetensors", alpha=0.3, blocks="GRAD_V")
    file = merge(folder, "file", ckpt_a="a.safetensors", ckpt_b="b.safetensors", alpha=0.3, blocks="GRAD_V")
    assert_bits(live, {key: file[key] for key in live})
    assert {key for key in file if key.startswith(UNET)} <= set(live)


def test_two_states_of_one_model_are_two_inputs(folder: Path) -> None:
    model, _, _ = live_host.load(tiny(0, dtype=torch.float32))
    tuned = model.patched(1)
    merged = merge(folder, "both", model_a=model, model_b=tuned, method="weighted_sum", alpha=0.5)
    changed = live_host.save(tuned, None, None)
    for key, tensor in live_host.save(model, None, None).items():
        assert torch.equal(merged[key], torch.lerp(tensor, changed[key], 0.5)), key


def test_a_result_knows_the_loaded_models_it_was_made_of(folder: Path) -> None:
    model, clip, vae = live_host.load(tiny(0))
    sockets = {"model_a": model.patched(1), "clip_a": clip, "vae_a": vae}
    merge(folder, "saved", **sockets, method="no_interpolation")
    known = inspect(model=sockets["model_a"], clip=clip, vae=vae)
    saved = inspect(ckpt_name="saved.safetensors")
    assert saved["tensors_sha256"] == known["tensors_sha256"]
    assert (known["family"], known["keys"], "sha256" in known) == ("sd1", saved["keys"], False)
    (live,) = saved["recipe"]["inputs"]
    assert live == {"type": "live", "name": "model_a", "sha256": known["tensors_sha256"]}
    assert saved["command"] is None
    assert saved["ancestry"][live["sha256"]]["name"] == "model_a"
    with safe_open(folder / "saved.safetensors", "pt") as file:
        assert file.metadata()["modelspec.merged_from"] == "model_a"
    recipe = json.dumps(saved["recipe"])
    again = merge(folder, "again", **sockets, recipe=recipe)
    assert_bits(again, load_file(folder / "saved.safetensors"))
    with pytest.raises(BadWeights, match="tensors_sha256"):
        merge(folder, "other", **{**sockets, "model_a": model}, recipe=recipe)
    with pytest.raises(BadParameter, match="loaded in a host"):
        merge(folder, "none", recipe=recipe)


def test_loaded_models_are_compared(folder: Path) -> None:
    model, _, _ = live_host.load(tiny(0))
    data = json.loads(run("UnderdrawingCheckpointDiff", **NONE, model_a=model, model_b=model.patched(1, 1000))[1])
    assert (data["a"], data["keys"] - data["equal"]) == ("model_a", 1)


def test_a_weight_of_codes_is_decoded_or_refused(folder: Path) -> None:
    model, _, _ = live_host.load(tiny(0))
    name = "diffusion_model.time_embed.0."
    codes = model.table[f"{name}weight"].to(torch.float8_e4m3fn)
    model.table |= {f"{name}weight": codes, f"{name}scale_weight": torch.tensor(2.0)}
    saved = merge(folder, "decoded", model_a=model, method="no_interpolation")
    own = f"{UNET}time_embed.0."
    assert torch.equal(saved[f"{own}weight"], codes.half() * 2)
    assert f"{own}scale_weight" not in saved
    model.table[f"{name}weight"] = torch.zeros(16, 8, dtype=torch.int8)
    with pytest.raises(BadWeights, match="codes"):
        merge(folder, "packed", model_a=model, method="no_interpolation")


def test_plain_8_bit_weights_are_rounded_as_the_host_does(folder: Path) -> None:
    model, _, _ = live_host.load(tiny(0))
    key = "diffusion_model.time_embed.0.weight"
    model.table[key] = model.table[key].to(torch.float8_e5m2)
    tuned = model.patched(1)
    saved = merge(folder, "eight", model_a=tuned, method="no_interpolation")[f"{UNET}time_embed.0.weight"]
    wide = live_host.calculate_weight(tuned.patches[key], model.table[key].float(), key)
    assert torch.equal(saved.float(), (wide + len(key)).to(torch.float8_e5m2).float())


def test_how_a_model_is_sampled_is_saved(folder: Path) -> None:
    model, _, _ = live_host.load(tiny(0))
    model.sampling = type("V_PREDICTION", (), {"zsnr": True})()
    assert merge(folder, "v", model_a=model, method="no_interpolation")["ztsnr"].shape == (0,)
    kinds = type("V_PREDICTION", (), {}), type("ModelSamplingContinuousEDM", (), {})
    model.sampling = type("Both", kinds, {"sigma_max": 120.0, "sigma_min": 0.5})()
    assert merge(folder, "edm", model_a=model, method="no_interpolation")["edm_vpred.sigma_max"] == 120


def test_what_cannot_be_meant_is_refused(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(folder / "a.safetensors", tiny(0))
    model, clip, _ = live_host.load(tiny(0))
    faults: list[tuple[str, dict[str, Any]]] = [
        ("needs the MODEL", {"clip_a": clip}),
        ("both given", {"model_a": model, "ckpt_a": "a.safetensors"}),
        ("loaded model", {"model_a": model, "lora": "x.safetensors"}),
        ("own checkpoints", {"ckpt_a": "a.safetensors", "model_b": model, "recipe": "{}"}),
    ]
    for match, values in faults:
        with pytest.raises(UnderdrawingError, match=match):
            merge(folder, "no", **values, method="no_interpolation")
    with pytest.raises(BadParameter, match="no checkpoint"):
        inspect()
    timed = model.patched(1)
    timed.hook_patches = {SimpleNamespace: {}}
    inspect(model=timed)
    merge(folder, "timed", model_a=timed, method="no_interpolation")
    assert "a curve" in caplog.text
