from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.images import contact_sheet
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.request import Result
from underdrawing.pipeline.training import previews
from underdrawing.pipeline.training.params import TrainParams
from underdrawing.pipeline.training.trainable import ParamGroup, Trainable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from underdrawing.pipeline.request import Request
    from underdrawing.pipeline.runs.setting import Setting


class Word(Trainable):
    """A word with a file of its own."""

    def groups(self) -> list[ParamGroup]:
        return []

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        return ()

    def write_caption(self, caption: str, number: int) -> str:
        return f"blob, {caption}"

    def write_preview_files(self, folder: Path) -> None:
        (folder / "blob.safetensors").write_bytes(b"")

    def list_preview_fields(self, folder: Path, prompt: str) -> dict[str, Any]:
        return {"cfg": 4.0}


def test_previews_are_drawn_with_what_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Request, Setting]] = []

    def draw(request: Request, setting: Setting) -> Iterator[Result]:
        asked.append((request, setting))
        assert (setting.embedding_folders[0] / "blob.safetensors").is_file()
        yield Result(pixels=np.full((16, 24, 3), 40 * len(asked), np.uint8), seed=7, subseed=0, request=request)

    monkeypatch.setattr(previews, "generate_pictures", draw)
    params = TrainParams(preview_every=5, preview_prompt="one\ntwo", seed=7)
    placement = Placement(device="cpu", dtype="float32")
    previewer = previews.Previewer(tmp_path, params, ["a caption"], placement, Word())
    for step in (5, 10):
        previewer.draw(step)
    assert [request.prompt for request, _ in asked] == ["blob, one", "blob, two"] * 2
    assert {(request.seed, request.cfg, request.checkpoint) for request, _ in asked} == {(7, 4.0, "reference")}
    assert {(setting.device, setting.dtype) for _, setting in asked} == {("cpu", "float32")}
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert names == ["000005-1.png", "000005-2.png", "000010-1.png", "000010-2.png", "sheet.png"]
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.width > 4 * 256


def test_what_a_kill_left_out_is_drawn_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def draw(request: Request, setting: Setting) -> Iterator[Result]:
        asked.append(request.prompt)
        yield Result(pixels=np.zeros((8, 8, 3), np.uint8), seed=0, subseed=0, request=request)

    monkeypatch.setattr(previews, "generate_pictures", draw)
    params = TrainParams(preview_prompt="one\ntwo")
    previewer = previews.Previewer(tmp_path, params, [], Placement(), Word())
    previewer.draw(2)
    sheet = (tmp_path / "sheet.png").read_bytes()
    (tmp_path / "sheet.png").unlink()
    asked.clear()
    previewer.complete(2)
    assert not asked
    assert (tmp_path / "sheet.png").read_bytes() == sheet
    (tmp_path / "000002-2.png").unlink()
    previewer.complete(2)
    assert asked == ["blob, one", "blob, two"]
    assert (tmp_path / "sheet.png").read_bytes() == sheet


def test_prompts_that_are_given_later_keep_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(request: Request, setting: Setting) -> Iterator[Result]:
        yield Result(pixels=np.zeros((64, 64, 3), np.uint8), seed=0, subseed=0, request=request)

    monkeypatch.setattr(previews, "generate_pictures", draw)
    labels: list[list[str]] = []

    def draw_sheet(cells: list[tuple[str, Any]], group: int) -> Any:
        labels.append([label for label, _ in cells])
        return contact_sheet.draw_sheet(cells, group=group)

    monkeypatch.setattr(previews, "draw_sheet", draw_sheet)
    previews.Previewer(tmp_path, TrainParams(preview_prompt="a"), [], Placement(), Word()).draw(1)
    previews.Previewer(tmp_path, TrainParams(preview_prompt="a\nb"), [], Placement(), Word()).draw(2)
    assert labels[-1] == ["step 1: a", "step 1: not drawn", "step 2: a", "step 2: b"]


def test_without_prompts_the_first_captions_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def draw(request: Request, setting: Setting) -> Iterator[Result]:
        prompts.append(request.prompt)
        yield Result(pixels=np.zeros((8, 8, 3), np.uint8), seed=0, subseed=0, request=request)

    monkeypatch.setattr(previews, "generate_pictures", draw)
    captions = ["a", "b", "c", "d", "e"]
    previews.Previewer(tmp_path, TrainParams(), captions, Placement(), Word()).draw(1)
    assert prompts == ["blob, a", "blob, b", "blob, c", "blob, d"]
