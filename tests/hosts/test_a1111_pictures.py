"""Pictures as A1111 draws them: recorded ones always, new ones where A1111_DIR and A1111_PYTHON are set.

A1111_DIR: the folder of a stable-diffusion-webui 1.10. A1111_PYTHON: the Python it runs with. Nothing of the host's is
in this project: it draws a small checkpoint that `tests/support/a1111_pictures.py` makes, and `tests/golden/a1111`
holds what it drew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tests.support.a1111_pictures import CASES, draw_here, draw_in_host, measure_difference, write_world
from tests.support.tiny_diffusion import require_diffusers

from underdrawing.pipeline.infotext.reading import MADE_FROM

require_diffusers()

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "a1111"
A1111, PYTHON = os.environ.get("A1111_DIR", ""), os.environ.get("A1111_PYTHON", "")
CLOSE = 2
"""Levels of 255 by which a picture may differ, as sums are rounded otherwise."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_world(tmp_path_factory.mktemp("a1111") / "world")


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_picture_is_repeated_from_its_infotext(name: str, world: Path) -> None:
    png = GOLDEN / f"{name}.png"
    pixels, notes = draw_here(png, CASES[name], world)
    assert measure_difference(png, pixels) <= CLOSE
    assert not [note for note in notes if note.startswith(MADE_FROM) or "not repeated" in note]


@pytest.mark.skipif(
    not (A1111 and PYTHON),
    reason="NOT TESTED IN A REAL A1111: set A1111_DIR to a stable-diffusion-webui 1.10 and A1111_PYTHON to its Python",
)
def test_a_real_a1111_draws_the_same(world: Path, tmp_path: Path) -> None:
    printed = draw_in_host(Path(A1111), Path(PYTHON), world, CASES, tmp_path)
    missing = [name for name in CASES if not (tmp_path / f"{name}.png").exists()]
    assert not missing, f"{missing} were not drawn:\n{printed[-3000:]}"
    found = {
        name: measure_difference(tmp_path / f"{name}.png", draw_here(tmp_path / f"{name}.png", case, world)[0])
        for name, case in CASES.items()
    }
    assert max(found.values()) <= CLOSE, found
