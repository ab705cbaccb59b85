"""Every annotator that controlnet-aux, MediaPipe or transformers have a peer for, beside that peer, on two photographs.

    make parity
    python benchmarks/parity.py [--annotators hed canny ...]

Both run on the same weights: those that come with the package, where there are some, otherwise random ones under the
official keys. Ours run in float32 on the CPU. Prints Markdown; docs/parity.md is that output. A row whose peer is not
installed, or cannot run here, says why.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import peer
import peer_hed
import peer_lineart
import peer_mediapipe
import peer_segmentation
from candidates import PAIRS, Pair, handed_out, ours, theirs

from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors.weights.hed_files import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from candidates import Pictures, Run
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("astronaut.png", "camera.png")
AUX, MEDIAPIPE, TRANSFORMERS = "controlnet-aux", "mediapipe", "transformers"
TRAINED, RANDOM, NONE = "trained", "random", "none"
ROUNDING = 0.001
"""Share of pixels that may differ by more than a level where two float32 sums are rounded differently."""


class Row(NamedTuple):
    """One comparison. make: the peer's call and the tensors it runs on, None where both have weights of their own.

    params: of ours, with which both do the same. remark: why maps differ where they should.
    """

    annotator: str
    peer: str
    weights: str
    make: Callable[[], tuple[Run, dict[str, Tensor] | None]]
    params: dict[str, Any] = {}  # noqa: RUF012 - never written
    remark: str = ""


class Difference(NamedTuple):
    """Of two maps, in levels of 0..255: largest, mean, and shares of pixels that differ at all and by more than 1."""

    largest: int
    mean: float
    differing: float
    beyond_rounding: float

    @classmethod
    def between(cls, one: Pictures, other: Pictures) -> Difference:
        """Difference of maps [B, H, W, 3]."""
        levels = np.abs(one.astype(int) - other)
        pixels = levels.max(-1)
        return cls(int(levels.max()), float(levels.mean()), float((pixels > 0).mean()), float((pixels > 1).mean()))

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.largest:
            return "equal"
        if self.beyond_rounding <= ROUNDING:
            return "equal but for rounding"
        return "close" if self.mean < 2 else "differs"


def canny() -> tuple[Run, None]:
    """controlnet-aux's Canny edges."""
    made = peer.folder("canny").CannyDetector()
    return lambda image: peer_lineart.called(made, image), None


def lineart_standard() -> tuple[Run, None]:
    """controlnet-aux's standard line art, whose map is as large as its input."""
    made = peer.folder("lineart_standard").LineartStandardDetector()
    return lambda image: made(image, detect_resolution=min(image.shape[:2]), output_type="np"), None


def hed(**options: Any) -> Callable[[], tuple[Run, None]]:
    """controlnet-aux's HED on the bundled weights."""

    def make() -> tuple[Run, None]:
        made, _ = peer_hed.load(ROOT / "preprocessors" / "bundled" / WEIGHTS["bsds500"].bundled)
        return lambda image: peer_lineart.called(made, image, **options), None

    return make


def anyline() -> tuple[Run, dict[str, Tensor]]:
    """controlnet-aux's AnyLine."""
    network, tensors = peer_lineart.filled(peer.folder("teed.ted").TED(), "teed")
    made = peer.folder("anyline").AnylineDetector(network)
    return lambda image: made(image, detect_resolution=min(image.shape[:2]), output_type="np"), tensors


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
    return Row(pair.annotator, pair.label.partition(",")[0], RANDOM, pair.peer, pair.params, REMARKS.get(name, ""))


REMARKS = {
    "bae": "the peer cuts its input to multiples of 64 of another size",
    "dav2": "the peer samples the position table without DINOv2's offset",
    "midas": "the peer divides by the same range in another order",
}
"""Shown where a pair is not equal but for rounding."""
ROWS = [
    Row("canny", AUX, NONE, canny),
    Row("lineart_standard", AUX, NONE, lineart_standard),
    Row("hed", AUX, TRAINED, hed()),
    Row("hed", AUX, TRAINED, hed(safe=True), {"safe": True}),
    Row("scribble_hed", AUX, TRAINED, hed(scribble=True)),
    *(paired(name) for name in ("lineart", "anime", "teed", "mlsd", "pidinet", "leres", "bae", "midas", "dav2")),
    Row("anyline", AUX, RANDOM, anyline, remark="the peer adds 8-bit numbers, which wrap around"),
    Row("seg_segformer", TRANSFORMERS, RANDOM, PAIRS["segformer"].peer),
    Row("seg_upernet", TRANSFORMERS, RANDOM, documented("upernet")),
    Row("seg_mask2former", TRANSFORMERS, RANDOM, documented("mask2former")),
    Row("seg_oneformer_ade20k", TRANSFORMERS, RANDOM, documented("oneformer_ade20k")),
    Row(
        "face_mediapipe",
        MEDIAPIPE,
        TRAINED,
        peer_mediapipe.face,
        {"max_faces": 10},
        "the peer's attention mesh refines lips and eyelids; its lines end some pixels elsewhere",
    ),
    Row(
        "person_mask",
        MEDIAPIPE,
        TRAINED,
        peer_mediapipe.mask,
        {"threshold": 0.0},
        "both on the same network; crop and enlarging are another",
    ),
    Row(
        "pose_mediapipe",
        MEDIAPIPE,
        TRAINED,
        peer_mediapipe.pose,
        {"hands": False, "face": False},
        "ours looks again at the body it found; keypoints lie some pixels elsewhere",
    ),
]
LEFT_OUT = {
    "depth_zoe": "controlnet-aux builds it on a BEiT of timm 0.6.13 with 345 million weights",
    "pose_openpose": "random weights find nobody; benchmarks/openpose.py compares decoders and networks apart",
    "pose_dwpose": "controlnet-aux needs mmpose, which has no build for this torch",
    "pose_vitpose": "random weights find nobody; tests/preprocessors compare each step with transformers'",
    "shuffle": "each has a random flow of its own",
}


def photographs() -> Pictures:
    """RGB [2, 512, 512, 3]."""
    files = [cv2.imread(str(ROOT / "examples" / "photos" / name), cv2.IMREAD_COLOR) for name in PHOTOS]
    return np.stack([np.ascontiguousarray(image[..., ::-1]) for image in files if image is not None])


def compare(row: Row, images: Pictures) -> Difference:
    """Both maps of both photographs."""
    call, tensors = row.make()
    expected = theirs(call)(images)
    with handed_out(tensors) if tensors else nullcontext():
        found = ours(Pair(row.annotator, row.peer, row.make, row.params), Placement())(images)
    return Difference.between(expected, found)


def table_row(row: Row, images: Pictures) -> str:
    """One line of the table."""
    options = ", ".join(f"{name} {value}" for name, value in row.params.items())
    head = f"| {row.annotator}{f' ({options})' if options else ''} | {row.peer} {installed(row.peer)} | {row.weights}"
    try:
        found = compare(row, images)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one peer that cannot run leaves the others standing
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return f"{head} | | | | cannot run here: {reason} |"
    verdict = found.verdict
    if row.remark and not verdict.startswith("equal"):
        verdict += f": {row.remark}"
    return f"{head} | {found.largest} | {found.mean:.3f} | {found.differing:.2%} | {verdict} |"


def installed(package: str) -> str:
    """Version of a package, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--annotators", nargs="+", choices=sorted({row.annotator for row in ROWS}))
    wanted = parser.parse_args().annotators
    images, began = photographs(), time.monotonic()
    print("# Parity\n\nMaps of the two bundled photographs beside those of other packages, in levels of 0..255.")
    print(f"Written by `make parity` on {time.strftime('%Y-%m-%d')}; ours: float32 on the CPU.\n")
    print("| annotator | peer | weights | largest difference | mean | pixels that differ | verdict |")
    print("|---|---|---|---|---|---|---|")
    for row in ROWS:
        if not wanted or row.annotator in wanted:
            print(table_row(row, images), flush=True)
    if not wanted:
        print("\nNot compared here:\n")
        print("\n".join(f"* `{name}`: {reason}." for name, reason in LEFT_OUT.items()))
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
