"""``underdrawing lora``: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.adapter_models import CLIP, SD15, lora, unet

from underdrawing.adapters import load_adapter

if TYPE_CHECKING:
    from tests.support.command_line import Run
    from torch import Tensor

MODULES = 282
"""Linear layers and convolutions of a UNet, as LyCORIS "full" takes them."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A LoRA of rank 2 for the tiny UNet, with a key that nobody knows."""
    torch.set_num_threads(1)
    tensors = lora(SD15.modules(), "lora_unet_") | {"lora_unet_nowhere.alpha": torch.tensor(1.0)}
    path = tmp_path / "style.safetensors"
    save_file(tensors, path, {"ss_output_name": "secret text", "evil\x1b[2J": "x"})
    return path


def other(tmp_path: Path, seed: int = 5) -> Path:
    path = tmp_path / f"other{seed}.safetensors"
    save_file(lora(SD15.modules(), "lora_unet_", seed=seed), path)
    return path


def change(path: Path) -> dict[str, Tensor]:
    """Module → the change of an adapter at strength 1."""
    shapes = {f"unet.{name}": module.shape for name, module in SD15.modules().items()}
    adapter = load_adapter(path)
    return {name: delta.apply(torch.zeros(shapes[name])) for name, delta in adapter.modules.items()}


def near(one: dict[str, Tensor], two: dict[str, Tensor], error: float = 1e-5) -> None:
    assert set(one) == set(two)
    for name, tensor in one.items():
        assert (tensor - two[name]).norm() <= error * tensor.norm()


def test_inspect_prints_the_report_as_one_object(run: Run, file: Path) -> None:
    done = run("lora", "inspect", file, "--json")
    report = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert report == load_adapter(file).report()
    assert (report["dialect"], report["modules"], report["finite"]) == ("kohya", {"lora": MODULES}, True)
    assert list(report["unused"]) == ["lora_unet_nowhere.alpha"]
    assert {"dialect", "base_model", "modules", "embeddings", "unused", "finite"} <= report.keys()
    assert "secret text" not in done.out


def test_inspect_of_several_files_is_a_list(run: Run, file: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "bundle.safetensors"
    save_file(lora(CLIP.modules(), "lora_te_") | {"bundle_emb.t.string_to_param.*": torch.ones(2, 16)}, tokens)
    reports = json.loads(run("lora", "inspect", file, tokens, "--json").out)
    assert [report["file"] for report in reports] == ["style.safetensors", "bundle.safetensors"]
    assert reports[1]["embeddings"] == {"t": {"text_encoder": [2, 16]}}


def test_inspect_for_people_shows_no_control_characters(run: Run, file: Path) -> None:
    done = run("lora", "inspect", file)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "evil\\x1b[2J" in done.out
    assert f"{MODULES}: {MODULES} lora" in done.out
    assert "lora_unet_nowhere.alpha" in done.out
    assert "secret text" not in done.out


def test_one_bad_file_does_not_hide_the_others(run: Run, file: Path, tmp_path: Path) -> None:
    bad, odd = tmp_path / "bad.safetensors", tmp_path / "odd.safetensors"
    bad.write_bytes(b"not this")
    save_file({"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}, odd)
    done = run("lora", "inspect", bad, file, odd, tmp_path / "gone.safetensors")
    assert done.code == 1
    assert "style.safetensors" in done.out
    assert [line.split(": ")[0] for line in done.err.splitlines()] == ["underdrawing"] * 3
    assert "SDXL embedding" in done.err
    alone = run("lora", "inspect", bad, "--json")
    assert (alone.code, alone.out) == (1, "")


@pytest.mark.parametrize(
    "args",
    [
        ("inspect",),
        ("merge", "a.safetensors"),
        ("resize", "a.safetensors", "-o", "b.safetensors"),
        ("resize", "a.safetensors", "-o", "b.safetensors", "--ratio", 5, "--frobenius", 0.5),
        ("resize", "a.safetensors", "-o", "b.safetensors", "--frobenius", "nan"),
        ("resize", "a.safetensors", "-o", "b.safetensors", "--rank", 0),
        ("merge", "a.safetensors", "b.safetensors", "-o", "c.safetensors", "--strength", "inf"),
        ("merge", *"abc", "-o", "c.safetensors", "--strength", 1, "--strength", 2),
        ("convert", "a.safetensors", "-o", "b.safetensors", "--to", "nobody"),
        ("nothing",),
    ],
)
def test_wrong_usage(run: Run, args: tuple[Any, ...]) -> None:
    done = run("lora", *args)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_merge_is_exact_and_cut_down_on_wish(run: Run, file: Path, tmp_path: Path) -> None:
    second, out = other(tmp_path), tmp_path / "out.safetensors"
    done = run("lora", "merge", file, second, "-o", out, "--strength", 0.5, "--strength", -1, "--json")
    report = json.loads(done.out)
    assert (done.code, report["modules"]) == (0, MODULES)
    one, two = change(file), change(second)
    near({name: 0.5 * one[name] - two[name] for name in one}, change(out))
    assert run("lora", "merge", file, second, "-o", out, "--rank", 4, "--strength", 1).code == 0
    near({name: one[name] + two[name] for name in one}, change(out), 1e-3)
    assert set(load_adapter(out).ranks) <= {1, 2, 3, 4}


def test_resize_and_convert(run: Run, file: Path, tmp_path: Path) -> None:
    small, folder, back = tmp_path / "small.safetensors", tmp_path / "peft", tmp_path / "back.safetensors"
    done = run("lora", "resize", file, "-o", small, "--rank", 1)
    assert done.code == 0
    assert "rank 1" in done.out
    assert load_adapter(small).ranks == {1: MODULES}
    assert run("lora", "convert", file, "-o", folder, "--to", "peft").code == 0
    assert load_adapter(folder).dialect == "peft"
    assert run("lora", "convert", folder, "-o", back, "--json").code == 0
    near(change(file), change(back))


def test_earlier_names_of_options_are_taken_with_a_note(run: Run, file: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"{name}.safetensors" for name in ("old", "new")]
    old = run("lora", "convert", file, "-o", outputs[0], "--to", "diffusers", "--dense", 4)
    new = run("lora", "convert", file, "-o", outputs[1], "--naming", "diffusers", "--dense-rank", 4)
    assert (old.code, new.code, new.err) == (0, 0, "")
    assert "to is now called naming" in old.err
    assert "dense is now called dense_rank" in old.err
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    both = run("lora", "convert", file, "-o", outputs[0], "--to", "peft", "--naming", "kohya")
    assert both.code == 2
    assert "the same parameter" in both.err
    assert "--to " not in run("lora", "convert", "--help").out


def test_bake_and_extract_undo_each_other(run: Run, file: Path, tmp_path: Path) -> None:
    base, tuned, out = (tmp_path / f"{name}.safetensors" for name in ("base", "tuned", "out"))
    save_file({name: tensor.contiguous() for name, tensor in unet().state_dict().items()}, base)
    before = base.read_bytes()
    done = run("lora", "bake", base, file, "-o", tuned, "--strength", 0.5, "--json")
    assert done.code == 0, done.err
    (receipt,) = json.loads(done.out)["adapters"]
    assert (receipt["applied"], receipt["modules"]) == (3 * MODULES, MODULES)
    assert list(receipt["skipped"]) == ["lora_unet_nowhere.alpha"]
    assert base.read_bytes() == before
    baked, plain = load_file(tuned), load_file(base)
    for name, tensor in change(file).items():
        key = f"{name.removeprefix('unet.')}.weight"
        assert torch.allclose(baked[key] - plain[key], 0.5 * tensor, atol=1e-5)
    done = run("lora", "extract", tuned, base, "-o", out, "--rank", 2, "--conv-rank", 2, "--dtype", "float32")
    assert done.code == 0, done.err
    near({name: 0.5 * tensor for name, tensor in change(file).items()}, change(out), 1e-3)


def test_bake_takes_block_weights(run: Run, file: Path, tmp_path: Path) -> None:
    base, tuned = tmp_path / "base.safetensors", tmp_path / "tuned.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in unet().state_dict().items()}, base)
    assert run("lora", "bake", base, file, "-o", tuned, "--blocks", "MID").code == 0
    baked, plain = load_file(tuned), load_file(base)
    changed = {key.split(".")[0] for key in plain if not torch.equal(plain[key], baked[key])}
    assert "mid_block" in changed
    assert not changed & {"down_blocks", "up_blocks"}


def test_inputs_are_never_written(run: Run, file: Path) -> None:
    before = file.read_bytes()
    for args in (("resize", file, "--rank", 1), ("convert", file), ("merge", file)):
        done = run("lora", *args, "-o", file)
        assert done.code == 2
        assert "stay as they are" in done.err
    assert file.read_bytes() == before
