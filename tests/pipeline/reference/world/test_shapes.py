from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.pipeline.reference.world.objects import BOX
from underdrawing.pipeline.reference.world.shapes import Capsule, Hull, Shape, Sphere

CORNERS = [(x, y, z) for z in (-1.0, 1.0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
SHAPES: list[Shape] = [Sphere((0, 0, 0), 1.0), Capsule((-0.5, 0, 0), (0.5, 0.2, 0), 0.6), Hull(CORNERS, BOX)]
AWAY = np.array([0, 1, 0], np.float32)


def find_distance(shape: Shape, point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """From the surface, by definition."""
    if isinstance(shape, Sphere):
        return float(np.linalg.norm(point - shape.centre) - shape.radius)
    if isinstance(shape, Capsule):
        axis = shape.end - shape.start
        share = np.clip((point - shape.start) @ axis / (axis @ axis), 0, 1)
        return float(np.linalg.norm(point - shape.start - share * axis) - shape.thickness)
    assert isinstance(shape, Hull)
    return float((shape.normals @ point - shape.offsets).max())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
@given(x=st.floats(-1.5, 1.5), z=st.floats(-1.5, 1.5), lean=st.floats(-0.3, 0.3))
def test_rays_end_on_the_surface(shape: Shape, x: float, z: float, lean: float) -> None:
    origin = np.array([x, -4, z], np.float32)
    ray = np.array([[lean, 1, -lean / 2]], np.float32)
    ray /= np.linalg.norm(ray)
    distance = float(shape.meet(origin, ray)[0])
    points = origin + ray * np.linspace(0, 8, 400)[:, None]
    gaps = [find_distance(shape, point) for point in points]
    if np.isfinite(distance):
        assert find_distance(shape, origin + ray[0] * distance) == pytest.approx(0, abs=2e-3)
        assert min(gaps) < 0.02
    else:
        assert min(gaps) > -0.02


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_one_origin_or_one_direction_is_the_same(shape: Shape) -> None:
    origins = np.stack([np.linspace(-1.4, 1.4, 30), np.full(30, -4), np.linspace(1.2, -1.0, 30)], 1).astype(np.float32)
    together = shape.meet(origins, AWAY)
    singly = [float(shape.meet(origin, AWAY[None])[0]) for origin in origins]
    assert together == pytest.approx(np.array(singly), abs=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_normals_look_out_and_have_length_one(shape: Shape) -> None:
    origins = np.stack([np.linspace(-0.5, 0.5, 9), np.full(9, -4), np.linspace(-0.5, 0.5, 9)], 1).astype(np.float32)
    points = origins + AWAY * shape.meet(origins, AWAY)[:, None]
    normals = shape.find_normals(points)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-4)
    assert (normals[:, 1] < 0).all()


def test_a_shape_behind_is_not_met() -> None:
    for shape in SHAPES:
        assert np.isinf(shape.meet(np.array([0, 3, 0], np.float32), AWAY[None])).all()


def test_a_hull_has_each_edge_once() -> None:
    assert len(Hull(CORNERS, BOX).edges) == 12
