"""``underdrawing embedding``: inspecting and converting."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from underdrawing.adapters import load_embedding

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An A1111 file with a name that would move the cursor."""
    tensor = torch.randn(3, 768, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "style.pt"
    torch.save({"string_to_param": {"*": tensor}, "name": "evil\x1b[2J", "step": 40}, path)
    return path


def test_inspect(run: Run, file: Path) -> None:
    done = run("embedding", "inspect", file)
    assert done.code == 0
    assert "style: text_encoder 3 x 768" in done.out
    assert "sd15" in done.out
    assert "\x1b" not in done.out
    report = json.loads(run("embedding", "inspect", file, "--json").out)
    assert report["tokens"] == {"style": {"text_encoder": [3, 768]}}
    assert (report["step"], report["base_models"], report["finite"]) == (40, ["sd15"], True)


def test_several_files_and_a_bad_one(run: Run, file: Path, tmp_path: Path) -> None:
    lora = tmp_path / "lora.safetensors"
    save_file({"lora_unet_conv_in.alpha": torch.tensor(1.0)}, lora)
    other = shutil.copy(file, tmp_path / "other.pt")
    done = run("embedding", "inspect", file, lora, other, file, "--json")
    assert done.code == 1
    assert [report["file"] for report in json.loads(done.out)] == ["style.pt", "other.pt"], (
        "a file given twice is read once"
    )
    assert done.err.count("\n") == 1
    assert "LoRA" in done.err


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.safetensors"])
def test_convert_there_and_back(run: Run, file: Path, tmp_path: Path, name: str) -> None:
    there, back = tmp_path / name, tmp_path / "style2.safetensors"
    assert run("embedding", "convert", file, there).code == 0
    done = run("embedding", "convert", there, back)
    assert done.code == 0
    assert "A1111 and ComfyUI call it style2" in done.err
    wanted = load_embedding(file)["style"]["text_encoder"]
    assert torch.equal(load_file(back)["emb_params"], wanted)
    report = json.loads(run("embedding", "inspect", back, "--json").out)
    assert report["step"] == 40


def test_convert_picks_a_token_and_a_layout(run: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "many.safetensors", tmp_path / "out.safetensors"
    save_file({"<a>": torch.ones(768), "<b>": torch.zeros(2, 768)}, source)
    assert run("embedding", "convert", source, out, "--layout", "kohya").code == 2
    assert not out.exists()
    done = run("embedding", "convert", source, out, "--token", "<b>", "--layout", "diffusers", "--json")
    assert json.loads(done.out)["tokens"] == {"<b>": {"text_encoder": [2, 768]}}
    assert list(load_file(out)) == ["<b>"]
    unknown = run("embedding", "convert", source, out, "--token", "<c>")
    assert unknown.code == 2
    assert "<a>, <b>" in unknown.err


def test_what_is_not_done(run: Run, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    assert run("embedding", "convert", file, file).code == 2
    pickled = run("embedding", "convert", file, tmp_path / "new.pt")
    assert pickled.code == 2
    assert "pickles" in pickled.err
    assert run("embedding", "inspect").code == 2
    assert run("embedding", "inspect", tmp_path / "gone.pt").code == 1
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*.pt")] == ["style.pt"]
