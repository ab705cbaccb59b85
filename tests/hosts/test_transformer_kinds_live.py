"""Every kind of adapter on small transformers through our node and ComfyUI's own loader; skipped loudly without it."""

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
MODELS = (
    *("flux1", "chroma", "sd3", "qwen_image", "wan", "lumina2", "hunyuan_video", "ltx", "pixart", "auraflow", "anima"),
)
RIGHT = {"lora", "loha", "lokr", "dora along inputs", "full", "glora", "oft", "boft"}
WRONG = {"dora", "boft without alpha"}
"""Of 0.3.64: DoRA along the outputs is divided by the norm of the base, and BOFT without alpha is left out."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the child measured, once for all tests."""
    work = tmp_path_factory.mktemp("comfyui")
    for name in ("custom_nodes", "models/loras", "models/embeddings", "package"):
        (work / name).mkdir(parents=True)
    (work / "package" / "underdrawing").symlink_to(Path(__file__).resolve().parents[2], target_is_directory=True)
    child = Path(__file__).parents[1] / "support" / "transformer_kinds_child.py"
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


@pytest.mark.parametrize("spelling", ["comfy", "kohya"])
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_is_applied_and_equals_the_host_where_it_is_right(
    measured: Mapping[str, Any], model: str, spelling: str
) -> None:
    one = measured[f"{model} {spelling}"]
    assert one["base_model"] == model
    assert one["applied"] == one["keys"] == one["count"], one["skipped"]
    assert not [kind for kind in one["unchanged"] if kind.endswith("here")]
    assert {kind for kind, apart in one["apart"].items() if apart > 1e-6} == WRONG
    assert one["apart"].keys() == RIGHT | WRONG


def test_no_other_model_was_measured(measured: Mapping[str, Any]) -> None:
    assert {name.partition(" ")[0] for name in measured} == set(MODELS)
