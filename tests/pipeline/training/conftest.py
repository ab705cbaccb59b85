"""A small training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import picture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of two aspects with captions, one of them broken, one without caption."""
    folder = tmp_path_factory.mktemp("data")
    for number, (width, height) in enumerate([(72, 64), (64, 64), (140, 70), (64, 72)]):
        picture(folder / f"{number}.png", width, height, seed=number)
        if number:
            (folder / f"{number}.txt").write_text(f"a thing, number {number}, on a table", encoding="utf-8")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:200])
    return folder
