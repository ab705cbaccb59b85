"""What benchmarks/parity.py compares: annotators, their peers, and options with which both do the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from candidates import PAIRS
from peers import peer, peer_hed, peer_lineart, peer_mediapipe, peer_segmentation

from underdrawing.preprocessors.weights.hed_files import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from candidates import Pictures, Run
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
AUX, MEDIAPIPE, TRANSFORMERS = "controlnet-aux", "mediapipe", "transformers"
TRAINED, RANDOM, NONE = "trained", "random", "none"
SLOW = ("leres", "bae", "midas")
ANYLINE = (
    "the peer's combine_layers takes 1 - (1 - a)(1 - b) of 8-bit numbers, which wrap around; "
    "with that line in fractions 0.3% of the pixels differ, not traced"
)
FACE = (
    "the peer asks for refine_landmarks, which is MediaPipe's attention mesh, and finds no face in camera.png with it; "
    "without it the points still lie 1 to 8 pixels apart, not traced"
)
MASK = "resizing to and from the network's 256 x 256; see the row of that size"
POSE = "not traced; both find one body in each, keypoints lie up to some 40 pixels apart"


class Row(NamedTuple):
    """One comparison. make: the peer's call and the tensors it runs on, None where both have weights of their own.

    params: of ours, with which both do the same. remark: why maps differ, as traced in the peer's code. photos, side:
    how many photographs, and their size; slow networks see fewer or smaller ones.
    """

    annotator: str
    peer: str
    weights: str
    make: Callable[[], tuple[Run, dict[str, Tensor] | None]]
    params: dict[str, Any] = {}  # noqa: RUF012 - never written
    remark: str = ""
    photos: int = 2
    side: int = 512


def canny() -> tuple[Run, None]:
    """controlnet-aux's Canny edges."""
    detector = peer.folder("canny").CannyDetector()
    return lambda image: peer_lineart.called(detector, image), None


def lineart_standard() -> tuple[Run, None]:
    """controlnet-aux's standard line art, whose map is as large as its input."""
    detector = peer.folder("lineart_standard").LineartStandardDetector()
    return lambda image: detector(image, detect_resolution=min(image.shape[:2]), output_type="np"), None


def hed(**options: Any) -> Callable[[], tuple[Run, None]]:
    """controlnet-aux's HED on the bundled weights."""

    def make() -> tuple[Run, None]:
        detector, _ = peer_hed.load(ROOT / "preprocessors" / "bundled" / WEIGHTS["bsds500"].bundled)
        return lambda image: peer_lineart.called(detector, image, **options), None

    return make


def anyline() -> tuple[Run, dict[str, Tensor]]:
    """controlnet-aux's AnyLine."""
    network, tensors = peer_lineart.filled(peer.folder("teed.ted").TED(), "teed")
    detector = peer.folder("anyline").AnylineDetector(network)
    return lambda image: detector(image, detect_resolution=min(image.shape[:2]), output_type="np"), tensors


def documented(name: str) -> Callable[[], tuple[Run, dict[str, Tensor]]]:
    """The calls that transformers documents for a segmentation network."""

    def make() -> tuple[Run, dict[str, Tensor]]:
        model, tensors = peer_segmentation.published(name)

        def call(image: Pictures) -> Pictures:
            return peer_segmentation.Documented(name, model, peer_segmentation.seen(name, image))(image)

        return call, tensors

    return make


def paired(name: str) -> Row:
    """A row of benchmarks/candidates.py."""
    pair = PAIRS[name]
    side = 256 if name in SLOW else 512
    return Row(pair.annotator, pair.label.partition(",")[0], RANDOM, pair.peer, pair.params, side=side)


ROWS = (
    Row("canny", AUX, NONE, canny),
    Row("lineart_standard", AUX, NONE, lineart_standard),
    Row("hed", AUX, TRAINED, hed()),
    Row("hed", AUX, TRAINED, hed(safe=True), {"safe": True}),
    Row("scribble_hed", AUX, TRAINED, hed(scribble=True)),
    *(paired(name) for name in ("lineart", "anime", "teed", "mlsd", "pidinet", "leres", "bae", "midas", "dav2")),
    Row("anyline", AUX, RANDOM, anyline, remark=ANYLINE),
    Row("seg_segformer", TRANSFORMERS, RANDOM, PAIRS["segformer"].peer, photos=1),
    Row("seg_upernet", TRANSFORMERS, RANDOM, documented("upernet"), photos=1),
    Row("seg_mask2former", TRANSFORMERS, RANDOM, documented("mask2former"), photos=1),
    Row("seg_oneformer_ade20k", TRANSFORMERS, RANDOM, documented("oneformer_ade20k"), photos=1),
    Row("face_mediapipe", MEDIAPIPE, TRAINED, peer_mediapipe.face, {"max_faces": 10}, FACE),
    Row("person_mask", MEDIAPIPE, TRAINED, peer_mediapipe.mask, {"threshold": 0.0}, side=256),
    Row("person_mask", MEDIAPIPE, TRAINED, peer_mediapipe.mask, {"threshold": 0.0}, MASK),
    Row("pose_mediapipe", MEDIAPIPE, TRAINED, peer_mediapipe.pose, {"hands": False, "face": False}, POSE),
)
LEFT_OUT = {
    "depth_zoe": "controlnet-aux builds it on a BEiT of timm 0.6.13 with 345 million weights",
    "pose_openpose": "random weights find nobody; benchmarks/openpose.py compares decoders and networks apart",
    "pose_dwpose": "controlnet-aux needs mmpose, which has no build for this torch",
    "pose_vitpose": "random weights find nobody; tests/preprocessors compare each step with transformers'",
    "shuffle": "each has a random flow of its own",
}
