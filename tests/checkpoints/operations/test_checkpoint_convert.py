from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import UNET, is_merged, save, tiny
from tests.support.command_line import Run


def test_a_pickled_checkpoint_becomes_safetensors(run: Run, tmp_path: Path) -> None:
    model, out = tiny(0, dtype=torch.float32), tmp_path / "o.safetensors"
    file = save(tmp_path / "a.ckpt", model)
    assert run("checkpoint", "convert", file, "-o", out).code == 0
    found = load_file(out)
    assert set(found) == set(model)
    assert all(torch.equal(tensor, model[key]) and tensor.dtype == model[key].dtype for key, tensor in found.items())
    assert run("checkpoint", "convert", file, "--dtype", "bf16", "-o", out).code == 0
    for key, tensor in load_file(out).items():
        wanted = model[key].bfloat16() if is_merged(key, vae=True) else model[key]
        assert tensor.dtype == wanted.dtype
        assert torch.equal(tensor, wanted)


def test_numbers_that_half_precision_lacks_are_refused(run: Run, tmp_path: Path) -> None:
    model = tiny(0, dtype=torch.float32)
    model[f"{UNET}out.2.weight"][0] = 70000
    done = run(
        "checkpoint",
        "convert",
        save(tmp_path / "a.safetensors", model),
        "--dtype",
        "fp16",
        "-o",
        tmp_path / "o.safetensors",
    )
    assert done.code == 1
    assert "out.2.weight: more than float16 holds" in done.err
    assert not (tmp_path / "o.safetensors").exists()


def test_the_vae_of_sdxl_stays_in_full_precision(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "a.safetensors", tiny(family="sdxl", dtype=torch.float32))
    done = run("checkpoint", "convert", file, "--dtype", "fp16", "-o", tmp_path / "o.safetensors")
    assert "VAE stays in float32" in done.err
    found = load_file(tmp_path / "o.safetensors")
    assert found["first_stage_model.decoder.conv_in.weight"].dtype == torch.float32
    assert found[f"{UNET}out.2.weight"].dtype == torch.float16
