"""Face meshes from MediaPipe's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, between
from .weights import mediapipe_files

if TYPE_CHECKING:
    from ..core.images.geometry import Size
    from .nets.mediapipe.faces import Face


WIDGETS = (
    number("max_faces", 10, 1, 50, "max_faces"),
    number("min_confidence", 0.5, 0.1, 1, "min_confidence", step=0.01),
    RESOLUTION,
)


class FaceParams(Params, frozen=True):
    """Which faces are drawn."""

    max_faces: Annotated[int, between(1, 50, "Maximum number of faces, by confidence")] = 10
    min_confidence: Annotated[float, between(0.01, 1, "Minimum detection confidence", step=0.01)] = 0.5
    min_size: Annotated[int, between(0, 1024, "Faces smaller than this on the map, in pixels, are left out")] = 64


class FaceMediapipe(Annotator[FaceParams]):
    """Contours of faces in the colours that ControlNetMediaPipeFace was trained on: oval, brows, eyes, lips, pupils.

    The mesh has 468 points; the pupils come from the iris network. Not had: the attention mesh with its finer lips and
    eyelids, whose file needs operations that only Google's runtime has. Where no face is found the map is black, and a
    note says so.
    """

    spec = Spec(
        id="face_mediapipe",
        title="Face mesh (MediaPipe)",
        kind=Kind.FACE,
        licence="Apache-2.0",
        commercial=True,
        source="https://github.com/google-ai-edge/mediapipe (BlazeFace, Face Mesh, Iris)",
        aliases=(
            Alias("mediapipe_face", "a1111", {"max_faces": 1}),
            Alias("MediaPipe-FaceMeshPreprocessor", "comfyui", {"max_faces": 10}, "MediaPipe Face Mesh", WIDGETS),
            Alias("mediapipe_face", "controlnet_aux", {"max_faces": 1}),
            Alias("MediapipeFaceDetector", "controlnet_aux", {"max_faces": 1}),
        ),
        consumers=("CrucibleAI/ControlNetMediaPipeFace",),
        weights=(
            mediapipe_files.FACE_DETECTION_SHORT_RANGE,
            mediapipe_files.FACE_LANDMARK,
            mediapipe_files.IRIS_LANDMARK,
        ),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
    )

    def run(self, request: Request[FaceParams]) -> ControlMap:
        """Maps at the map's size; faces are looked for at the picture's own size."""
        import numpy as np

        from ..core.images.geometry import Size
        from .nets.mediapipe.face_drawing import draw_faces
        from .nets.mediapipe.faces import FaceFinder

        p, source = request.params, Size(*request.images.shape[1:3])
        find = FaceFinder(self.placement)
        found = [find(image, confidence=p.min_confidence) for image in request.images]
        large = [[face for face in faces if shorter(face, source, request.size) >= p.min_size] for faces in found]
        maps = [draw_faces(faces[: p.max_faces], source, request.size) for faces in large]
        return ControlMap(np.stack(maps), notes=notes(found, large, p))


def shorter(face: Face, source: Size, size: Size) -> float:
    """Shorter side of a face's box on the map, in pixels."""
    low, high = face.box
    width, height = high - low
    return min(float(width) * size.width / source.width, float(height) * size.height / source.height)


def notes(found: list[list[Face]], large: list[list[Face]], params: FaceParams) -> tuple[str, ...]:
    """Say which maps are black and why, and which faces were left out."""
    told: list[str] = []
    for i, (every, kept) in enumerate(zip(found, large, strict=True), 1):
        if small := len(every) - len(kept):
            told.append(f"picture {i}: {small} of {len(every)} faces left out, smaller than min_size {params.min_size}")
        if not kept:
            told.append(f"picture {i}: no face {'is left' if every else 'was found'}, the map is black")
    return tuple(told)
