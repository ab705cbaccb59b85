from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.support.checkpoint_models import UNET, save, tiny
from tests.support.command_line import Run


def test_distances_by_block(run: Run, tmp_path: Path) -> None:
    a, b = tiny(0), tiny(0)
    key = f"{UNET}middle_block.0.in_layers.2.weight"
    b[key] = b[key] * 1.5
    b["only.weight"] = torch.zeros(3)
    del b["betas"]
    one, other = save(tmp_path / "a.safetensors", a), save(tmp_path / "b.ckpt", b)
    done = run("checkpoint", "diff", one, other, "--chart", tmp_path / "c.png", "--json")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert (data["only_a"], data["only_b"]) == (["betas"], ["only.weight"])
    assert data["equal"] == data["keys"] - 1
    assert data["blocks"]["IN00"]["distance"] == 0
    own = torch.linalg.vector_norm(a[key].double() - b[key].double()) ** 2
    size = sum(float((t.double() ** 2).sum()) for k, t in a.items() if "middle_block" in k)
    assert data["blocks"]["MID"]["distance"] == pytest.approx(float((own / size).sqrt()))
    with Image.open(tmp_path / "c.png") as chart:
        assert chart.size[0] > 400
    assert "replaced" not in done.err
    again = run("checkpoint", "diff", one, other, "--chart", tmp_path / "c.png")
    assert "MID" in again.out
    assert f"{tmp_path / 'c.png'}: the file that was there is replaced" in again.err


def test_two_are_needed(run: Run, tmp_path: Path) -> None:
    done = run("checkpoint", "diff", save(tmp_path / "a.safetensors", tiny()))
    assert done.code == 2
    assert "give two" in done.err


def test_a_chart_takes_no_checkpoint_s_place(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "a.safetensors", tiny())
    before = file.read_bytes()
    done = run("checkpoint", "diff", file, file, "--chart", file)
    assert done.code == 2
    assert "name end in .png" in done.err
    assert file.read_bytes() == before
