"""Files that a user declares to be some weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import run

from underdrawing.preprocessors.weights import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run

__all__ = ["run"]


def test_a_declared_file_that_no_network_takes_is_refused_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="install PyTorch to load networks")
    files = pytest.importorskip("safetensors.torch", reason="install safetensors to write one")
    monkeypatch.setenv("UNDERDRAWING_CACHE", str(tmp_path / "cache"))
    weight = next(w for w in catalogue.records().values() if w.unpinned and "depth_dav2" in catalogue.list_users(w))
    files.save_file({"lora_unet_conv_in.alpha": torch.tensor(1.0)}, tmp_path / "style.safetensors")
    done = run("weights", "import", tmp_path / "style.safetensors", "--as", weight.id)
    assert done.code == 1
    assert "does not fit" in done.err
    kept = [file for file in (tmp_path / "cache").rglob("*") if weight.file in file.name]
    assert not kept, "neither the file nor a pin is kept"
