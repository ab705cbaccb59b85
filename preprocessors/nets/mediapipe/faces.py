"""Faces: detector, 468-point mesh and irises. Needs numpy, torch.

Source: Kartynnik et al., Real-time Facial Surface Geometry (2019), Ablavatski et al., Real-time Pupil Tracking (2020),
and the options in MediaPipe's face graphs (Apache-2.0).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...weights import mediapipe_files
from .inference import CropNetwork, Detector
from .regions import Region, enclosing_region, horizontal_angle, search_regions, to_picture
from .topology import FACE_SLOTS, HEAD, LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ....core.networks.placement import Placement
    from .bodies import Body

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

STRIDES = (8, 16, 16, 16)
MARGIN = 1.5
"""Side of the mesh network's region over the face's box."""
MIN_TILE = 128
"""Faces are searched in tiles down to this many pixels; in them a face of 20 pixels is still found."""
LEVELS = 3
MIN_TURNED_CONFIDENCE = 0.6
"""Least confidence in faces that lie on their side or upside down; cats have some."""
PRESENT, CLEAR = 1.0, 8.0
"""Logits of the mesh network: least for a face, and one that settles which way up the picture is. Photographs of faces
give 8 (a profile) to 40, faces read upside down, cats and folds of cloth less."""


class Face(NamedTuple):
    """One face. score: 0 .. 1, of the detector; points: [468, 2]; irises: [2, 2], the person's right one first.

    clear: logit of the mesh network that a face is there, the lower of two looks.
    """

    score: float
    points: Array
    irises: Array
    clear: float = 0.0

    @property
    def box(self) -> tuple[Array, Array]:
        """Upper left and lower right corner."""
        return self.points.min(0), self.points.max(0)

    @property
    def middle(self) -> Array:
        """Mean of the points."""
        return self.points.mean(0)

    @property
    def size(self) -> float:
        """Longer side of the box."""
        return float(np.ptp(self.points, axis=0).max())


def detection_region(points: Array) -> Region:
    """Region of a face from a detector's find: box corners, then right eye, left eye, nose, mouth, ears."""
    (x, y), (width, height) = (points[0] + points[1]) / 2, points[1] - points[0]
    region = Region(float(x), float(y), float(width), float(height), horizontal_angle(points[2], points[3]))
    return region.squared().scaled(MARGIN)


def mesh_region(points: Array) -> Region:
    """Region for a second look, from the mesh of the first."""
    angle = horizontal_angle(points[RIGHT_EYE_CORNERS[0]], points[LEFT_EYE_CORNERS[1]])
    return enclosing_region(points, angle).squared().scaled(MARGIN)


def eye_region(points: Array, corners: tuple[int, int]) -> Region:
    """Region of an eye, from its two corners (left and right as seen in an upright face)."""
    start, end = points[corners[0]], points[corners[1]]
    side = 2.3 * math.dist(start.tolist(), end.tolist())
    x, y = (start + end) / 2
    return Region(float(x), float(y), side, side, horizontal_angle(start, end))


def head_region(body: Body) -> Region | None:
    """Square around a body's head, turned with it; None when nothing of the head is seen."""
    points, seen = body.points[list(HEAD)], body.visible[list(HEAD)] > 0.5
    if not seen.any():
        return None
    neck = body.points[[11, 12]].mean(0)
    middle = points[seen].mean(0)
    reach = max(float(np.linalg.norm(middle - neck)), 1.2 * float(np.ptp(points[seen], axis=0).max()))
    angle = horizontal_angle(points[5], points[2])
    return Region(float(middle[0]), float(middle[1]), 3 * reach, 3 * reach, angle)


class FaceFinder:
    """Finds faces in the whole picture, in tiles of it and around the heads of bodies."""

    def __init__(self, placement: Placement) -> None:
        self.detect = Detector(CropNetwork(mediapipe_files.FACE_DETECTION_SHORT_RANGE, placement, low=-1), STRIDES)
        self.mesh = CropNetwork(mediapipe_files.FACE_LANDMARK, placement)
        self.iris = CropNetwork(mediapipe_files.IRIS_LANDMARK, placement)

    def __call__(self, image: Image, bodies: Sequence[Body] = (), *, confidence: float) -> list[Face]:
        """Every face of which the detector is at least as sure as confidence, by clarity.

        A picture without a clear upright face is searched again turned by quarters.
        """
        heads = [[region] for body in bodies if (region := head_region(body))]
        found = [
            face
            for group in (search_regions(image, LEVELS, MIN_TILE), *heads)
            for face in self._found(image, group, confidence)
        ]
        if not any(face.clear >= CLEAR for face in found):
            for quarter in (1, 2, 3):
                turned = [region._replace(angle=quarter * math.pi / 2) for region in search_regions(image, 2, MIN_TILE)]
                found += self._found(image, turned, max(confidence, MIN_TURNED_CONFIDENCE))
        return [face._replace(irises=self._irises(image, face.points)) for face in merge_duplicates(found)]

    def _found(self, image: Image, regions: Sequence[Region], confidence: float) -> list[Face]:
        """Faces in regions of one angle, their irises still missing. Both looks must show a face."""
        found = self.detect(image, regions, confidence)
        first, there = self._fit(image, [detection_region(points) for points in found.points])
        again, still = self._fit(image, [mesh_region(points) for points in first])
        looks = zip(found.scores, again, np.minimum(there, still), strict=True)
        blank = np.zeros((2, 2), np.float32)
        return [Face(float(s), points, blank, float(c)) for s, points, c in looks if c >= PRESENT]

    def _fit(self, image: Image, regions: Sequence[Region]) -> tuple[Array, Array]:
        """Meshes [N, 468, 2] and logits [N] of a face being there."""
        if not regions:
            return np.zeros((0, 468, 2), np.float32), np.zeros(0, np.float32)
        raw = self.mesh(image, regions)
        places = raw["landmarks"].reshape(len(regions), -1, 3)[..., :2] / self.mesh.size[0]
        meshes = [to_picture(each, region) for each, region in zip(places, regions, strict=True)]
        return np.stack(meshes), raw["presence"].reshape(-1)

    def _irises(self, image: Image, points: Array) -> Array:
        """Centres of the right and the left iris. The network knows one eye only: the other is shown to it mirrored."""
        right, left = (eye_region(points, corners) for corners in (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS))
        mirrored = np.ascontiguousarray(image[:, ::-1])
        flipped = left._replace(x=image.shape[1] - left.x, angle=-left.angle)
        places = [self.iris(image, [right])["iris"], self.iris(mirrored, [flipped])["iris"]]
        centres = [place.reshape(-1, 3)[:1, :2] / self.iris.size[0] for place in places]
        centres[1][:, 0] = 1 - centres[1][:, 0]
        return np.concatenate([to_picture(centres[0], right), to_picture(centres[1], left)])


def merge_duplicates(faces: Sequence[Face]) -> list[Face]:
    """Each face once, by clarity: of faces whose middles are nearer than half a face only the clearest is kept."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.clear):
        near = [np.linalg.norm(face.middle - other.middle) < max(face.size, other.size) / 2 for other in kept]
        if not any(near):
            kept.append(face)
    return kept


def face_points(face: Face) -> Array:
    """OpenPose's 70 face points [70, 2]: 68 of the mesh and the middles of both irises."""
    return np.concatenate([face.points[list(FACE_SLOTS)], face.irises])
