"""LoRAs behind the tags of a real A1111, with our extension in it: the pixels of foreign forms and of their twins.

A1111_DIR: the folder of a stable-diffusion-webui 1.10. A1111_PYTHON: the Python it runs with.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from tests.support.a1111_pictures import Case, draw_in_host, write_world
from tests.support.tiny_diffusion import require_diffusers

require_diffusers()
A1111, PYTHON = os.environ.get("A1111_DIR", ""), os.environ.get("A1111_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not (A1111 and PYTHON),
    reason="NOT TESTED IN A REAL A1111: set A1111_DIR to a stable-diffusion-webui 1.10 and A1111_PYTHON to its Python",
)
ROOT = Path(__file__).resolve().parents[2]
RANK = 4
ATTENTION = re.compile(
    r"model\.diffusion_model\.(input_blocks|middle_block|output_blocks)\.(\d+)(?:\.\d+)?\.(.*attn[12]\.to_\w+(?:\.0)?)\.weight"
)
SIDES = {"input_blocks": ("down_blocks", 1), "output_blocks": ("up_blocks", 0)}
FORMS = ("diffusers", "processor", "peft")
RESTS = ("1", "0.5", "1:0", "1:lbw=OUTALL", "1:start=1", "1:stop=0.5", "1:lbw=INALL:start=1", "0@0,1@1")


def name_modules(checkpoint: Path) -> dict[str, tuple[int, int]]:
    """diffusers' names of the attention's layers in a checkpoint, with their shapes."""
    found: dict[str, tuple[int, int]] = {}
    with safe_open(checkpoint, "pt") as file:
        for key in file.keys():  # noqa: SIM118 - it is no mapping
            match = ATTENTION.fullmatch(key)
            if match is not None:
                side, number, rest = match.groups()
                block, first = SIDES.get(side, ("mid_block", 0))
                place = f".{(int(number) - first) // 3}" if side in SIDES else ""
                item = (int(number) - first) % 3 if side in SIDES else 0
                found[f"{block}{place}.attentions.{item}.{rest}"] = tuple(file.get_slice(key).get_shape())
    return found


def write_loras(folder: Path, modules: dict[str, tuple[int, int]]) -> None:
    """One LoRA in kohya's names and in three others."""
    draw = torch.Generator().manual_seed(7)
    tables: dict[str, dict[str, torch.Tensor]] = {form: {} for form in ("kohya", *FORMS)}
    for name, (rows, columns) in modules.items():
        up, down = (torch.randn(*size, generator=draw) * 0.3 for size in ((rows, RANK), (RANK, columns)))
        old = name.removesuffix(".0").replace(".to_", ".processor.to_")
        kohya = f"lora_unet_{name.replace('.', '_')}"
        tables["kohya"] |= {f"{kohya}.lora_up.weight": up, f"{kohya}.lora_down.weight": down}
        tables["diffusers"] |= {f"unet.{name}.lora_B.weight": up, f"unet.{name}.lora_A.weight": down}
        tables["processor"] |= {f"unet.{old}_lora.up.weight": up, f"unet.{old}_lora.down.weight": down}
        start = f"base_model.model.{name}"
        tables["peft"] |= {f"{start}.lora_B.weight": up, f"{start}.lora_A.weight": down}
    for form, tensors in tables.items():
        save_file(tensors, folder / f"{form}.safetensors")
    (folder / "cut.safetensors").write_bytes((folder / "peft.safetensors").read_bytes()[:900])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image.Image]:
    """Pictures by the tag in their prompt."""
    world = write_world(tmp_path_factory.mktemp("live") / "world")
    write_loras(world / "loras", name_modules(world / "models" / "tiny.safetensors"))
    extensions = world / "data" / "extensions"
    extensions.mkdir(parents=True)
    (extensions / "underdrawing").symlink_to(ROOT, target_is_directory=True)
    tags = [
        "",
        *(f"<lora:{form}:{rest}>" for rest in RESTS for form in ("kohya", *FORMS)),
        "<lora:cut:1>",
        "<lora:no:1>",
    ]
    usual = {"seed": 5, "steps": 3, "width": 64, "height": 64, "sampler_name": "Euler a", "scheduler": "Automatic"}
    cases = {
        str(n): Case({**usual, "prompt": f"a cat {tag}"}, {"randn_source": "CPU"}) for n, tag in enumerate([*tags, ""])
    }
    output = world / "drawn"
    printed = draw_in_host(Path(A1111), Path(PYTHON), world, cases, output)
    assert all((output / f"{name}.png").exists() for name in cases), printed[-3000:]
    assert "is cut off" in printed
    assert "no LoRA is called 'no'" in printed
    found = {tag: Image.open(output / f"{n}.png") for n, tag in enumerate(tags)}
    return {**found, "again": Image.open(output / f"{len(tags)}.png")}


def equal(left: Image.Image, right: Image.Image) -> bool:
    return np.array_equal(np.asarray(left), np.asarray(right))


@pytest.mark.parametrize("rest", RESTS)
def test_foreign_forms_have_the_pixels_of_their_twin(drawn: dict[str, Image.Image], rest: str) -> None:
    twin = drawn[f"<lora:kohya:{rest}>"]
    assert all(equal(drawn[f"<lora:{form}:{rest}>"], twin) for form in FORMS)
    assert equal(twin, drawn[""]) == (rest == "1:0")
    assert all("converted from" in drawn[f"<lora:{form}:{rest}>"].info["parameters"] for form in FORMS)


def test_nothing_stays(drawn: dict[str, Image.Image]) -> None:
    assert all(equal(drawn[tag], drawn[""]) for tag in ("again", "<lora:cut:1>", "<lora:no:1>"))
    assert "Underdrawing" not in drawn["again"].info["parameters"]
    assert "Underdrawing" not in drawn["<lora:kohya:1>"].info["parameters"]
