from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support import tiny_diffusion

from underdrawing.core.errors import WeightsMissing
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.pipeline.models import reference_files
from underdrawing.pipeline.operations.reference_sheet import SCENES, change_words, make_control
from underdrawing.pipeline.reference.training.controls import KINDS
from underdrawing.pipeline.reference.world.captions import describe_scene
from underdrawing.pipeline.reference.world.scene import render_scene

if TYPE_CHECKING:
    from pathlib import Path


def test_every_kind_has_a_scene_and_a_map() -> None:
    assert set(SCENES) == set(KINDS)
    for kind, seed in SCENES.items():
        control, fields = make_control(kind, render_scene(seed))
        assert control.model == kind
        assert (control.image is None) == ("image" in fields)


def test_other_words_keep_things_and_places() -> None:
    spec = render_scene(900_016).spec
    assert describe_scene(spec).startswith(
        "a shiny blue ball on the left, a shiny purple box in the middle, a purple ball"
    )
    assert describe_scene(change_words(spec)) == (
        "a purple ball on the left, a white box in the middle, a white ball on the right, sand, at sunset"
    )
    first = describe_scene(change_words(spec, surroundings=False))
    assert first.startswith("a purple ball on the left, a shiny purple box in the middle")


def test_a_sheet_holds_the_kinds_that_came_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_diffusion.require_diffusers()
    folder = tiny_diffusion.write_folder(tmp_path / "weights")
    tiny_diffusion.build_controlnet().save_pretrained(folder / "controlnet_inpaint")
    monkeypatch.setattr(reference_files, "FOLDER", folder)
    report = run(operations()["reference.sheet"], {"output": tmp_path / "sheet.png"}, {"steps": 1}, Job(HostHooks()))
    assert report.data["kinds"] == ["inpaint"]
    assert report.text.splitlines()[1].startswith("inpaint: a ")
    assert "canny, softedge" in report.notes[0]
    assert Image.open(tmp_path / "sheet.png").width > 3 * 256


def test_the_other_sheet_shows_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_diffusion.require_diffusers()
    from underdrawing.pipeline.reference import adapter_sheet

    cells = [(f"cell {number}", np.zeros((128, 128, 3), np.uint8)) for number in range(6)]
    monkeypatch.setattr(adapter_sheet, "draw_cells", lambda steps: iter(cells[:steps]))  # type: ignore[misc]
    monkeypatch.setattr(reference_files, "find_reference", lambda: tmp_path)
    values: dict[str, Any] = {"steps": 6, "adapters": True}
    report = run(operations()["reference.sheet"], {"output": tmp_path / "sheet.png"}, values, Job(HostHooks()))
    assert report.data["prompts"] == [row.prompt for row in adapter_sheet.ROWS]
    assert Image.open(tmp_path / "sheet.png").width > 3 * 256


def test_without_weights_the_next_step_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "FOLDER", tmp_path)
    with pytest.raises(WeightsMissing, match="checkpoint"):
        run(operations()["reference.sheet"], {"output": tmp_path / "sheet.png"}, {}, Job(HostHooks()))
