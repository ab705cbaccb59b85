"""The command line, ComfyUI and A1111 make equal maps of one set of pictures; the hosts are stubs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.command_line import Run, quiet, run
from tests.support.fake_host import Host
from tests.support.fake_webui import FakeWebui
from tests.support.pictures import photo

from underdrawing.core.annotator import Kind
from underdrawing.core.diagnostics.availability import explain_unavailable
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quiet", "run"]
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "a1111_extension" / "scripts" / "underdrawing.py"
MASKED = (Kind.INPAINT,)
NAMES = [a.spec.id for a in registry if not explain_unavailable(a) and a.spec.kind not in MASKED]
PICTURES = {
    "colour": Image.fromarray(photo(72, 96)),
    "grey": Image.fromarray(photo(91, 75)).convert("L"),
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Classes of ComfyUI's nodes by name."""
    host = Host(tmp_path_factory.mktemp("comfy"))
    host.enter()
    folder = host.base / "custom_nodes" / "underdrawing"
    folder.symlink_to(ROOT, target_is_directory=True)
    yield host.load(folder).NODE_CLASS_MAPPINGS
    host.leave()


@pytest.fixture(scope="module")
def preprocessors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A1111's preprocessors by name."""
    host = FakeWebui(tmp_path_factory.mktemp("a1111"), "a1111")
    host.enter()
    host.reload(SCRIPT)
    yield host.preprocessors
    host.leave()


@pytest.mark.parametrize("kind", PICTURES)
def test_three_skins_make_equal_maps(
    kind: str, run: Run, nodes: dict[str, Any], preprocessors: dict[str, Any], tmp_path: Path
) -> None:
    picture, path = PICTURES[kind], tmp_path / "picture.png"
    picture.save(path)
    done = run("annotate", ",".join(NAMES), str(path), "-o", str(tmp_path / "maps"), "--resolution", "64")
    assert done.code == 0, done.err
    colour = torch.from_numpy(np.asarray(picture.convert("RGB")).astype(np.float32) / 255)[None]
    for name in NAMES:
        wanted = np.asarray(Image.open(tmp_path / "maps" / f"picture.{name}.png").convert("RGB"))
        node = nodes["Underdrawing" + "".join(part.capitalize() for part in name.split("_"))]()
        result = node.annotate(image=colour, resolution=64)
        image = (result["result"] if isinstance(result, dict) else result)[0]
        assert np.array_equal(np.clip(255.0 * image.numpy()[0], 0, 255).astype(np.uint8), wanted), f"ComfyUI: {name}"
        found = preprocessors[f"underdrawing_{name}"](np.asarray(picture), resolution=64)
        assert np.array_equal(found, wanted), f"A1111: {name}"
