from __future__ import annotations

import numpy as np
import pytest

from underdrawing.pipeline.reference.training import control_maps
from underdrawing.pipeline.reference.training.controls import KINDS
from underdrawing.pipeline.reference.training.data import render_scenes

SCENES = render_scenes([1, 9])
"""Both have a person and straight edges."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("softedge", "scribble")])
def test_each_kind_is_drawn(kind: str) -> None:
    maps = control_maps.draw_maps(kind, getattr(SCENES, control_maps.FIELDS.get(kind, "pictures")))
    assert len(maps) == 2
    assert {m.shape for m in maps} == {(128, 128, 4 if kind == "inpaint" else 3)}
    assert all(m.any() for m in maps)


@pytest.mark.parametrize("kind", ["depth", "seg"])
def test_a_mirrored_map_is_the_map_mirrored(kind: str) -> None:
    rows = getattr(SCENES, control_maps.FIELDS[kind])
    mirrored = control_maps.draw_maps(kind, np.stack([control_maps.mirror(kind, row) for row in rows]))
    for one, other in zip(mirrored, control_maps.draw_maps(kind, rows), strict=True):
        assert np.array_equal(one, other[:, ::-1])


def test_a_mirrored_person_has_right_and_left_exchanged() -> None:
    row = np.arange(3 * 18 * 2, dtype=np.float32).reshape(3, 18, 2)
    row[1:] = np.nan
    mirrored = control_maps.mirror("pose", row)
    assert mirrored[0, 2] == pytest.approx([128 - row[0, 5, 0], row[0, 5, 1]])
    assert control_maps.mirror("pose", mirrored) == pytest.approx(row, nan_ok=True)


def test_mirrored_edges_mirror_back() -> None:
    row = SCENES.edges[0].astype(np.float32)
    assert control_maps.mirror("lines", control_maps.mirror("lines", row)) == pytest.approx(row, nan_ok=True)


def test_erased_parts_vary_and_are_marked() -> None:
    maps = control_maps.draw_maps("inpaint", SCENES.pictures, seed=1)
    for drawing, picture in zip(maps, SCENES.pictures, strict=True):
        hole = drawing[..., 3] == 255
        assert 0.01 < hole.mean() < 0.6
        assert not drawing[..., :3][hole].any()
        assert np.array_equal(drawing[..., :3][~hole], picture[~hole])
    again = control_maps.draw_maps("inpaint", SCENES.pictures, seed=1)
    assert np.array_equal(maps, again)
    assert not np.array_equal(maps, control_maps.draw_maps("inpaint", SCENES.pictures, seed=-1))
