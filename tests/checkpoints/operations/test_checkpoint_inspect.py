from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import pytest
from tests.support.checkpoint_models import save, tiny
from tests.support.command_line import Run


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
