from __future__ import annotations

import base64
import hashlib
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.support import adapter_checkpoints
from tests.support.adapter_models import SD15, lora
from tests.support.checkpoint_models import apply_node, load_node, save, save_folder, tiny
from tests.support.command_line import Run

from underdrawing.checkpoints.merging import merge
from underdrawing.core.tensor_files.safetensors_io import read_header


def test_a_plain_checkpoint(run: Run, tmp_path: Path) -> None:
    for name in ("a.safetensors", "a.ckpt"):
        file = save(tmp_path / name, tiny(0, ema=True))
        done = run("checkpoint", "inspect", file, "--json")
        assert done.code == 0, done.err
        data = json.loads(done.out)
        assert (data["family"], data["dtype"], data["keys"]) == ("sd1", "fp16, fp32", len(tiny(0, ema=True)))
        assert data["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert data["recipe"] is None
        assert data["ema"]


@pytest.mark.parametrize(
    ("family", "channels", "wanted"),
    [
        ("sd1", 9, ("sd1", "inpainting")),
        ("sd2", 4, ("sd2", "")),
        ("sdxl", 4, ("sdxl", "")),
        ("sdxl", 8, ("sdxl", "instruct-pix2pix")),
        ("sdxl_refiner", 4, ("sdxl_refiner", "")),
    ],
)
def test_families(run: Run, tmp_path: Path, family: str, channels: int, wanted: tuple[str, str]) -> None:
    file = save(tmp_path / "a.safetensors", tiny(family=family, channels=channels))
    data = json.loads(run("checkpoint", "inspect", file, "--json").out)
    assert (data["family"], data["variant"]) == wanted


def test_the_command_of_a_result_makes_it_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (save(tmp_path / f"{name} '.safetensors", tiny(seed)) for seed, name in enumerate("ab"))
    run("checkpoint", "merge", a, b, "--blocks", "GRAD_V", "-o", tmp_path / "o.safetensors")
    data = json.loads(run("checkpoint", "inspect", tmp_path / "o.safetensors", "--json").out)
    assert data["recipe"]["method"] == "weighted_sum"
    assert {one["name"] for one in data["ancestry"].values()} == {a.name, b.name}
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(data["command"])
    assert program == "underdrawing"
    assert run(*(word.replace("OUT", "again") for word in words)).code == 0
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "o.safetensors").read_bytes()


def make_recipes(folder: Path) -> list[dict[str, Any]]:
    """A recipe of every kind of node, on files that are written below the folder."""
    tensors = [{k: t.contiguous() for k, t in adapter_checkpoints.sd15(seed=seed).items()} for seed in range(3)]
    a, b, c = (save(folder / f"{name}.safetensors", one) for name, one in zip("abc", tensors, strict=True))
    style = save(folder / "style 'x.safetensors", lora(SD15.modules(), "lora_unet_", seed=2))
    vae = save(folder / "vae.safetensors", {"decoder.conv_in.weight": torch.full((8, 4, 3, 3), 0.5)})
    pickled, ema = save(folder / "tiny.ckpt", tiny(1)), save(folder / "ema.safetensors", tiny(2, ema=True))
    adapted = {
        "type": "adapt",
        "input": load_node(b),
        "loras": [{"path": str(style), "unet": 0.5, "text_encoder": 0.0}],
    }
    inner = apply_node("weighted_sum", a, adapted, alpha=0.25)
    cast = {"type": "cast", "input": inner, "dtype": "bf16", "drop": ["text_encoder"]}
    baked = {"type": "bake_vae", "input": load_node(pickled), "vae": load_node(vae)}
    return [
        apply_node("add_difference", cast, load_node(b), load_node(c), alpha=0.5),
        {"type": "cast", "input": baked, "dtype": "fp32"},
        {**apply_node("dare", pickled, ema, ema), "params": {"alpha": 0.5, "density": 0.5, "seed": 3}},
        {
            **apply_node("weighted_sum", pickled, ema),
            "elements": "IN04-OUT05::0~1@3, BASE:NOT attn:0.2",
            "vae": "merge",
        },
        {**apply_node("weighted_sum", pickled, ema, alpha=0.3), "arithmetic": "a1111"},
        load_node(ema, ema="keep"),
    ]


def test_every_kind_of_recipe_has_a_command_that_makes_it_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [tmp_path / f"o{number}.safetensors" for number in range(6)]
    for recipe, result in zip(make_recipes(tmp_path), results, strict=True):
        merge(recipe, result)
    both = tmp_path / "both"
    merge(apply_node("weighted_sum", *(save_folder(tmp_path / f"in{seed}", seed) for seed in range(2))), both)
    monkeypatch.chdir(tmp_path)
    for result in (*results, both):
        data = json.loads(run("checkpoint", "inspect", result, "--json").out)
        out = tmp_path / f"again-{result.name}"
        words = shlex.split(data["command"])
        assert words[-1] == ("OUT" if result.is_dir() else "OUT.safetensors")
        done = run(*words[1:-1], out)
        assert done.code == 0, done.err
        again = json.loads(run("checkpoint", "inspect", out, "--json").out)
        assert again["sha256"] == data["sha256"], result.name
        assert again["recipe_sha256"] == data["recipe_sha256"]


@pytest.mark.parametrize(
    "later",
    [
        {"underdrawing": json.dumps({"steps": [{"tool": "merge"}, {"tool": "bake"}]})},
        {"sd_merge_recipe": json.dumps({"type": "webui", "interp_method": "Weighted sum"})},
    ],
)
def test_the_recipe_of_a_file_that_was_changed_since_is_not_its_own(
    run: Run, tmp_path: Path, later: dict[str, str]
) -> None:
    files = [save(tmp_path / f"{name}.safetensors", tiny(seed)) for seed, name in enumerate("ab")]
    merge(apply_node("weighted_sum", *files), tmp_path / "ab.safetensors")
    metadata = read_header(tmp_path / "ab.safetensors").metadata
    assert json.loads(run("checkpoint", "inspect", tmp_path / "ab.safetensors", "--json").out)["command"]
    changed = save(tmp_path / "changed.safetensors", tiny(2), {**metadata, **later})
    data = json.loads(run("checkpoint", "inspect", changed, "--json").out)
    assert data["recipe"] is data["command"] is None


def picture_url(kind: str) -> str:
    content = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 40, 40)).save(content, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_thumbnail_is_described_and_written(run: Run, tmp_path: Path, kind: str) -> None:
    url = picture_url(kind)
    file = save(tmp_path / "a.safetensors", tiny(), {"modelspec.thumbnail": url})
    data = json.loads(run("checkpoint", "inspect", file, "--json", "--thumbnail", tmp_path).out)
    content = base64.b64decode(url.partition(",")[2])
    assert data["thumbnail"] == {"format": kind.lower(), "width": 8, "height": 6, "bytes": len(content)}
    assert (tmp_path / f"a.{kind.lower()}").read_bytes() == content
    assert f"thumbnail: {kind.lower()}, 8 x 6" in run("checkpoint", "inspect", file).out
    done = run("checkpoint", "inspect", file, "--thumbnail", tmp_path / "x.bmp")
    assert done.code != 0
    assert f".{kind.lower()}" in done.err


def test_a_picture_that_is_there_is_kept_in_folders_and_replaced_where_it_is_named(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "a.safetensors", tiny(), {"modelspec.thumbnail": picture_url("PNG")})
    preview = tmp_path / "a.png"
    preview.write_bytes(b"my own")
    done = run("checkpoint", "inspect", file, "--thumbnail", tmp_path)
    assert done.code == 1
    assert f"{preview}: is there already" in done.err
    assert preview.read_bytes() == b"my own"
    done = run("checkpoint", "inspect", file, "--thumbnail", preview)
    assert done.code == 0
    assert f"{preview}: the file that was there is replaced" in done.err
    again = run("checkpoint", "inspect", file, "--thumbnail", tmp_path)
    assert (again.code, again.err) == (0, "")


HALLO = "aGFsbG8="
BROKEN = ("", "no", "data:image/png;base64,%%%", f"data:image/png;base64,{HALLO}", f"data:text/html;base64,{HALLO}")


@pytest.mark.parametrize("url", [*BROKEN, picture_url("PNG")[:-40]])
def test_a_thumbnail_that_is_no_picture_is_reported(run: Run, tmp_path: Path, url: str) -> None:
    file = save(tmp_path / "a.safetensors", tiny(), {"modelspec.thumbnail": url})
    done = run("checkpoint", "inspect", file, "--json")
    assert done.code == 0
    assert json.loads(done.out)["thumbnail"]["problem"]
    assert run("checkpoint", "inspect", file, "--thumbnail", tmp_path / "x.png").code == 1
    assert not (tmp_path / "x.png").exists()


def test_a_model_without_a_thumbnail_says_so(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "a.safetensors", tiny())
    done = run("checkpoint", "inspect", file, "--json", "--thumbnail", tmp_path / "x.png")
    assert done.code == 0
    assert json.loads(done.out)["thumbnail"] is None
    assert "no thumbnail" in done.err


def test_what_is_no_checkpoint(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"GGUF" + b"\0" * 100)
    done = run("checkpoint", "inspect", tmp_path / "a.safetensors")
    assert done.code == 1
    assert "GGUF" in done.err


def test_names_in_metadata_and_keys_move_no_cursor(run: Run, tmp_path: Path) -> None:
    ancestry = json.dumps({"0": {"name": "\x1b[31mred\nline"}})
    file = save(
        tmp_path / "a.safetensors", {**tiny(), "\x1b[2Jkey.weight": tiny()["betas"]}, {"sd_merge_models": ancestry}
    )
    plain = save(tmp_path / "b.safetensors", tiny())
    for arguments in (("inspect", file), ("diff", file, plain)):
        done = run("checkpoint", *arguments)
        assert done.code == 0
        assert r"\x1b[" in done.out
        assert "\x1b" not in done.out
        assert "\nline" not in done.out
