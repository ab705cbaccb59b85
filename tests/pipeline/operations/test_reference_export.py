from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import tiny_diffusion

from underdrawing.core.errors import WeightsMissing
from underdrawing.core.hooks import HostHooks
from underdrawing.core.networks.placement import Placement
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.pipeline.models import reference_files
from underdrawing.pipeline.models.loading import load_model

if TYPE_CHECKING:
    from pathlib import Path


def test_the_file_is_the_model(tmp_path: Path) -> None:
    tiny_diffusion.require_diffusers()
    path = tmp_path / "reference.safetensors"
    run(operations()["reference.export"], {"output": path}, {}, Job(HostHooks()))
    found = load_model(str(path), placement=Placement())
    expected = load_model("reference", placement=Placement())
    assert (found.family, found.sample_size) == (expected.family, expected.sample_size) == ("sd1", 128)
    for part in ("unet", "vae"):
        weights = getattr(found, part).state_dict()
        assert all((weights[name] == value).all() for name, value in getattr(expected, part).state_dict().items())


def test_without_weights_the_next_step_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "FOLDER", tmp_path)
    with pytest.raises(WeightsMissing, match="install the package with its weights"):
        run(operations()["reference.export"], {"output": tmp_path / "a.safetensors"}, {}, Job(HostHooks()))
