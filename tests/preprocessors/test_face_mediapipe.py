"""Face meshes on the bundled photographs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from tests.golden.mediapipe.crops import photo

from underdrawing.core.annotator import Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.face_mediapipe import FaceMediapipe
from underdrawing.preprocessors.nets.mediapipe.face_drawing import CONTOURS, PUPILS
from underdrawing.preprocessors.nets.mediapipe.faces import FaceFinder
from underdrawing.preprocessors.nets.mediapipe.topology import LEFT_EYE, OVAL, RIGHT_EYE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from underdrawing.core.annotator import ControlMap
    from underdrawing.preprocessors.nets.mediapipe.faces import Face


def run(picture: NDArray[np.uint8], size: tuple[int, int] | None = None, **params: Any) -> ControlMap:
    chosen = FaceMediapipe.params(**params)
    return FaceMediapipe(Placement(), chosen).run(Request(picture[None], chosen, Size(*(size or picture.shape[:2]))))


@cache
def finder() -> FaceFinder:
    return FaceFinder(Placement())


def faces(picture: NDArray[np.uint8]) -> list[Face]:
    return finder()(np.ascontiguousarray(picture), confidence=0.5)


def boxed(map_: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a colour."""
    rows, columns = np.nonzero((map_ == colour).all(-1))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_the_woman_s_face_is_drawn_where_it_is() -> None:
    result = run(photo("astronaut"))
    assert result.notes == ()
    left, top, right, bottom = boxed(result.images[0], (10, 200, 10))
    assert (left, right) == pytest.approx((179, 272), abs=9)
    assert (top, bottom) == pytest.approx((76, 182), abs=9)
    right_eye, left_eye = (boxed(result.images[0], c) for c in ((180, 200, 10), (10, 200, 180)))
    assert right_eye[2] < 226 < left_eye[0], "her right eye is left in the picture"
    for colour, (x, y) in zip(PUPILS, ((203, 101), (247, 103)), strict=True):
        box = boxed(result.images[0], colour)
        assert (box[2] - box[0], box[3] - box[1]) == (3, 3)
        assert (np.mean(box[::2]), np.mean(box[1::2])) == pytest.approx((x, y), abs=4)


def test_only_the_agreed_colours_are_used() -> None:
    used = {tuple(colour) for colour in run(photo("astronaut")).images[0].reshape(-1, 3).tolist()}
    assert used == {(0, 0, 0), *PUPILS, *(colour for colour, _ in CONTOURS)}


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_gives_the_turned_face(quarters: int) -> None:
    (upright,), (turned,) = faces(photo("astronaut")), faces(np.rot90(photo("astronaut"), quarters))
    points = upright.points - 256
    for _ in range(quarters):
        points = np.stack([points[:, 1], -points[:, 0]], 1)
    assert np.linalg.norm(points + 256 - turned.points, axis=1).mean() < 3.5


def test_a_mirrored_picture_swaps_the_eyes() -> None:
    (face,), (mirrored,) = faces(photo("astronaut")), faces(photo("astronaut")[:, ::-1])
    swapped = np.array([512, 0]) - mirrored.irises[::-1] * (1, -1)
    assert np.abs(swapped - face.irises).max() < 2.5


@pytest.mark.parametrize("side", [160, 256, 1100])
def test_other_sizes_give_the_same_face(side: int) -> None:
    (face,) = faces(photo("astronaut"))
    scaled = cv2.resize(photo("astronaut"), (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)
    (other,) = faces(scaled)
    assert np.linalg.norm(other.points * 512 / side - face.points, axis=1).mean() < 3.5


def test_several_faces_and_the_limit() -> None:
    page = np.full((512, 1024, 3), 128, np.uint8)
    page[:, :512], page[:, 512:] = photo("astronaut"), photo("camera")
    assert sorted(face.middle[0] > 512 for face in faces(page)) == [False, True]
    both, one = (run(page, max_faces=most, min_size=30).images[0] for most in (10, 1))
    assert both[:, :512].any()
    assert both[:, 512:].any()
    assert np.array_equal(one[:, :512], both[:, :512])
    assert not one[:, 512:].any()


def test_small_faces_are_left_out_and_told() -> None:
    result = run(photo("astronaut"), size=(256, 256))
    assert not result.images.any()
    assert len(result.notes) == 2
    assert "min_size 64" in result.notes[0]
    assert "black" in result.notes[1]
    assert run(photo("astronaut"), size=(256, 256), min_size=20).images.any()


def test_no_face_gives_a_black_map_and_a_note() -> None:
    result = run(np.full((96, 128, 3), 90, np.uint8))
    assert not result.images.any()
    assert "no face was found" in result.notes[0]


def test_known_names_carry_their_limits() -> None:
    assert registry.resolve("mediapipe_face").presets == {"max_faces": 1}
    assert registry.resolve("MediaPipe-FaceMeshPreprocessor").presets == {"max_faces": 10}


def test_contours_close_and_eyes_lie_within_the_oval() -> None:
    assert all(path[0] == path[-1] for path in (OVAL, LEFT_EYE, RIGHT_EYE))
    (face,) = faces(photo("astronaut"))
    oval = face.points[list(OVAL)].astype(np.float32)
    for point in face.points[list(LEFT_EYE + RIGHT_EYE)]:
        assert cv2.pointPolygonTest(oval, (float(point[0]), float(point[1])), measureDist=False) > 0
