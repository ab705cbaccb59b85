"""LoRAs for today's models through our node and through ComfyUI's own loader; skipped loudly without COMFYUI_DIR."""

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
WHOLE = [
    *("flux1.kohya", "flux1.comfy", "flux1.diffusers", "chroma.kohya", "chroma.comfy", "sd3.kohya", "sd3.comfy"),
    *("sd3.diffusers", "lumina2.kohya", "lumina2.comfy"),
    *("qwen_image.kohya", "qwen_image.comfy", "qwen_image.diffusers", "wan.kohya", "wan.comfy"),
]
"""Files that the host reads whole."""
DROPPED = {"chroma.diffusers": 0.95, "wan.diffusers": 0.0, "lumina2.diffusers": 0.0}
"""Files of which the host reads at most this share."""
MODELS = list(dict.fromkeys(name.partition(".")[0] for name in WHOLE))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the child measured, once for all tests."""
    work = tmp_path_factory.mktemp("comfyui")
    for name in ("custom_nodes", "models/loras", "models/embeddings", "package"):
        (work / name).mkdir(parents=True)
    (work / "package" / "underdrawing").symlink_to(Path(__file__).resolve().parents[2], target_is_directory=True)
    child = Path(__file__).parents[1] / "support" / "transformer_live_child.py"
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


def test_all_of_every_file_is_applied(measured: Mapping[str, Any]) -> None:
    assert measured.keys() == {*WHOLE, *DROPPED, *(f"{model}.range" for model in MODELS)}
    for name, one in ((name, measured[name]) for name in (*WHOLE, *DROPPED)):
        assert one["base_model"] == name.partition(".")[0]
        assert one["applied"] == one["keys"], one["skipped"]
        assert one["changed"] > 20
        assert "ComfyUI's own kinds of patches" in one["note"]


@pytest.mark.parametrize("name", WHOLE)
def test_where_the_host_reads_a_file_whole_the_results_agree(measured: Mapping[str, Any], name: str) -> None:
    assert measured[name]["host_reached"] == measured[name]["layers"]
    assert measured[name]["off"] < 1e-5


@pytest.mark.parametrize("name", DROPPED)
def test_what_the_host_drops_is_applied(measured: Mapping[str, Any], name: str) -> None:
    assert measured[name]["host_reached"] <= DROPPED[name] * measured[name]["layers"]


@pytest.mark.parametrize("model", MODELS)
def test_a_tag_acts_in_its_range_of_steps_only(measured: Mapping[str, Any], model: str) -> None:
    """As steps without, with and without the LoRA one after the other; a second run begins from the same weights."""
    found = measured[f"{model}.range"]
    assert found["effect"] > 0.01
    assert found["off"] < 1e-4 < 0.01 * found["effect"]
    assert found["left"] == 0
