"""LoRA and embedding nodes beside ComfyUI's own, in its own process; skipped loudly without COMFYUI_DIR."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

COMFYUI, PYTHON = os.environ.get("COMFYUI_DIR", ""), os.environ.get("COMFYUI_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not (COMFYUI and PYTHON), reason="NOT TESTED IN A REAL COMFYUI: set COMFYUI_DIR and COMFYUI_PYTHON"
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the child measured, once for all tests."""
    work = tmp_path_factory.mktemp("comfyui")
    for name in ("custom_nodes", "models/loras", "models/embeddings"):
        (work / name).mkdir(parents=True)
    (work / "package").mkdir()
    (work / "package" / "underdrawing").symlink_to(Path(__file__).resolve().parents[2], target_is_directory=True)
    child = Path(__file__).parents[1] / "support" / "lora_live_child.py"
    ran = subprocess.run(
        [PYTHON, str(child), COMFYUI, str(work)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=work,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads((work / "told.json").read_text(encoding="utf-8"))


def test_a_plain_lora_gives_the_core_s_latents(told: Mapping[str, Any]) -> None:
    assert told["same_patches"]
    assert told["core"] == 0
    assert told["effect"] > 0.01
    assert told["original"] == 0
    assert f"{told['keys']} of {told['keys']} keys" in told["receipt"]


def test_step_ranges_work_through_hooks(told: Mapping[str, Any]) -> None:
    assert told["whole_range"] == 0
    assert min(told["half_range"]) > 0
    assert told["spans"] == [0.0, 0.5]


def test_a_kind_the_core_lacks_is_exact(told: Mapping[str, Any]) -> None:
    assert told["odd"]


def test_encoding(told: Mapping[str, Any]) -> None:
    assert told["embedding"] == 0
    assert told["chunks"] == [1, 154, 768]
