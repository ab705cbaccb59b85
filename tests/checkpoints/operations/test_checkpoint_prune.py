from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import UNET, save, tiny
from tests.support.command_line import Run


def test_parts_are_left_out(run: Run, tmp_path: Path) -> None:
    model, out = tiny(0, ema=True), tmp_path / "o.safetensors"
    file = save(tmp_path / "a.ckpt", model)
    assert run("checkpoint", "prune", file, "-o", out).code == 0
    found = load_file(out)
    assert set(found) == {key for key in model if not key.startswith("model_ema.")}
    assert all(torch.equal(tensor, model[key]) for key, tensor in found.items())
    assert run("checkpoint", "prune", file, "--vae", "--text-encoder", "--use-ema", "-o", out).code == 0
    found = load_file(out)
    assert not [key for key in found if key.startswith(("first_stage_model.", "cond_stage_model."))]
    key = f"{UNET}out.2.weight"
    assert torch.equal(found[key], model["model_ema.diffusion_modelout2weight"])


def test_parts_that_are_not_there_are_named(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "a.safetensors", {f"{UNET}out.2.weight": torch.ones(2, 2)})
    done = run("checkpoint", "prune", file, "--vae", "-o", tmp_path / "o.safetensors")
    assert done.code == 0
    assert "holds no VAE" in done.err


def test_nothing_is_no_checkpoint(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "a.safetensors", {"first_stage_model.decoder.conv_in.weight": torch.ones(2, 2)})
    done = run("checkpoint", "prune", file, "--vae", "-o", tmp_path / "o.safetensors")
    assert done.code == 1
    assert "nothing left" in done.err
    assert not (tmp_path / "o.safetensors").exists()
