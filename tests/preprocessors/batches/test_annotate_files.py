from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tests.support.pictures import photo

from underdrawing.core.batch.annotate_options import AnnotateOptions
from underdrawing.core.hooks import HostHooks, collect_notes
from underdrawing.core.progress import Progress
from underdrawing.preprocessors.batches.annotate_files import FilesRequest, annotate_files

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class Recorder(HostHooks):
    """Everything that a bar would show."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, int, str]] = []

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        """A bar."""
        recorder = self

        class Bar(Progress):
            def show(self, done: int, total: int, message: str) -> None:
                recorder.shown.append((done, total, message))

        yield Bar()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures."""
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        Image.fromarray(photo(64, 96)).save(tmp_path / "in" / f"{name}.png")
    return tmp_path / "in"


def run(source: Path, names: str, **options: Any) -> tuple[Recorder, list[str]]:
    """What is shown and noted of a run into the folder out beside the input."""
    chosen, host = AnnotateOptions(resolution=0, **options), Recorder()
    request = FilesRequest(names.split(","), (str(source),), source.parent / "out", chosen, lambda _: {}, {*options})  # type: ignore[arg-type]
    with collect_notes() as notes:
        annotate_files(request, host)
    return host, notes


def test_tiles_of_a_picture_are_shown(pictures: Path) -> None:
    host, _ = run(pictures, "canny,hed", tile=64, overlap=16)
    first, second = (f"hed: tile {number} of 2" for number in (1, 2))
    assert host.shown == [
        *((0, 2, text) for text in (first, second)),
        (1, 2, ""),
        *((1, 2, text) for text in (first, second)),
        (2, 2, ""),
    ]


def test_tiles_of_a_frame_are_shown(pictures: Path) -> None:
    host, _ = run(pictures, "hed", tile=64, overlap=16, video=True)
    texts = ["tile 1 of 2", "tile 2 of 2"]
    assert host.shown == [
        *((0, 2, text) for text in texts),
        (1, 2, ""),
        *((1, 2, text) for text in texts),
        (2, 2, ""),
    ]


@pytest.mark.parametrize("video", [False, True])
def test_an_overlap_without_tiles_is_named(pictures: Path, video: bool) -> None:
    _, notes = run(pictures, "canny", overlap=128, video=video)
    assert "note: --overlap has no effect without --tile" in notes
