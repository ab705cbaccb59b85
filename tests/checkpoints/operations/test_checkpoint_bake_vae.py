from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import save, tiny
from tests.support.command_line import Run

VAE = "first_stage_model."


def test_the_vae_of_a_file_or_of_a_checkpoint(run: Run, tmp_path: Path) -> None:
    model, other, out = tiny(0), tiny(1), tmp_path / "o.safetensors"
    file, whole = save(tmp_path / "a.safetensors", model), save(tmp_path / "b.safetensors", other)
    alone = {key.removeprefix(VAE): tensor for key, tensor in other.items() if key.startswith(VAE)}
    vae = save(tmp_path / "vae.ckpt", {**alone, "loss.logvar": torch.zeros(1)})
    for source in (whole, vae):
        done = run("checkpoint", "bake-vae", file, source, "-o", out)
        assert done.code == 0, done.err
        found = load_file(out)
        assert set(found) == set(model)
        assert all(torch.equal(t, (other if k.startswith(VAE) else model)[k]) for k, t in found.items())


def test_what_is_no_vae_of_this_model(run: Run, tmp_path: Path) -> None:
    file, other = save(tmp_path / "a.safetensors", tiny(0)), {"decoder.conv_in.weight": torch.zeros(3, 4, 3, 3)}
    done = run(
        "checkpoint", "bake-vae", file, save(tmp_path / "v.safetensors", other), "-o", tmp_path / "o.safetensors"
    )
    assert done.code == 1
    assert "another shape" in done.err
    done = run(
        "checkpoint",
        "bake-vae",
        file,
        save(tmp_path / "w.safetensors", {"x": torch.zeros(3)}),
        "-o",
        tmp_path / "o.safetensors",
    )
    assert done.code == 1
    assert "holds no weight of the VAE" in done.err
