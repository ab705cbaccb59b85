"""Make openpose.npz: controlnet-aux's OpenPose on random weights, and its decoders on maps of people who do not exist.

    pip install --no-deps controlnet-aux==0.0.10 einops; pip install scipy scikit-image huggingface-hub
    PYTHONPATH=.dev:. python tests/golden/openpose/make.py

Arrays, from the peer's code unchanged: picture uint8 [H, W, 3] and body, hand, face: what each network makes of it.
people_<count>_<height>_<seed>: [n, 18, 3] x, y, score of each joint, NaN where there is none; tied_<height>: likewise,
on maps with ties. hand_<h>_<w>_<seed>: [21, 2] pixels, 0, 0 where there is none. face_<h>_<w>_<seed>: pixels of the
landmarks that were seen, and of the background. whole_*: body [n, 18, 2], left_hand, right_hand [n, 21, 2] and face
(without gaps, the background last) of everybody in one picture, relative to it; map uint8 [H, W, 3]: bodies and faces.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tests.support import pose_maps, random_weights

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "benchmarks"))

import peer_openpose as peer  # noqa: E402  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from numpy.typing import NDArray

PEOPLE = [
    *((0, 512, 0), (1, 512, 0), (1, 512, 1), (1, 1024, 2), (1, 300, 3), (1, 184, 4), (1, 150, 5), (1, 97, 6)),
    *((4, 512, 0), (4, 512, 1), (4, 1024, 2), (4, 333, 3), (4, 128, 4), (20, 512, 0), (20, 333, 1)),
]
"""Number of people, height of the picture, seed."""
CROPS = [(128, 128, 0), (60, 60, 1), (300, 300, 2), (431, 431, 3), (200, 150, 4), (21, 20, 5)]
TIED = (184, 368, 512, 1024)
LOST = (4, 11)
WHOLE = (4, 512)


def people_of(body: Any, height: int, width: int) -> NDArray[np.float64]:
    """Joints of everybody the peer's Body sees."""
    found = body.format_body_result(*body(np.zeros((height, width, 3), np.uint8)))
    none = (np.nan,) * 3
    rows = [[none if k is None else (k.x, k.y, k.score) for k in person.keypoints] for person in found]
    return np.array(rows, np.float64).reshape(len(rows), 18, 3)


def networks(arrays: dict[str, NDArray[Any]]) -> None:
    """Run each network on random weights."""
    picture = np.random.RandomState(0).randint(0, 256, (64, 48, 3)).astype(np.uint8)
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 256 - 0.5
    arrays["picture"] = picture
    for name in ("body", "hand", "face"):
        network = peer.filled(name, random_weights.tensors(peer.official_shapes(name)))
        with torch.no_grad():
            out = network(x)
        maps = torch.cat([out[1], out[0]], 1) if name == "body" else out[-1] if name == "face" else out
        arrays[name] = maps[0].numpy()


def decoders(arrays: dict[str, NDArray[Any]]) -> None:
    """Run each decoder on its maps."""
    for count, height, seed in PEOPLE:
        cells = pose_maps.CELLS[count]
        body = peer.body_on(pose_maps.body_maps(pose_maps.crowd(count, seed), cells, seed))
        arrays[f"people_{count}_{height}_{seed}"] = people_of(body, height, height * cells[1] // cells[0])
    for height in TIED:
        arrays[f"tied_{height}"] = people_of(peer.body_on(pose_maps.tied_maps()), height, height)
    for height, width, seed in CROPS:
        crop = np.zeros((height, width, 3), np.uint8)
        hand = peer.part_on("Hand", lambda cells, seed=seed: pose_maps.part_maps(22, cells, seed, LOST))
        face = peer.part_on("Face", lambda cells, seed=seed: pose_maps.part_maps(71, cells, seed, LOST))
        arrays[f"hand_{height}_{width}_{seed}"] = hand(crop).astype(np.int16)
        arrays[f"face_{height}_{width}_{seed}"] = face.compute_peaks_from_heatmaps(face(crop)).astype(np.int16)


def whole(arrays: dict[str, NDArray[Any]]) -> None:
    """Run the detector over one picture."""
    count, side = WHOLE
    body = peer.body_on(pose_maps.body_maps(pose_maps.crowd(count), pose_maps.CELLS[count]))
    hand = peer.part_on("Hand", lambda cells: pose_maps.part_maps(22, cells, lost=LOST))
    face = peer.part_on("Face", lambda cells: pose_maps.part_maps(71, cells, lost=LOST))
    detector = peer.module().OpenposeDetector(body, hand, face)
    picture = np.zeros((side, side, 3), np.uint8)
    poses = detector.detect_poses(picture, include_hand=True, include_face=True)
    for name in ("left_hand", "right_hand", "face"):
        rows = [[(k.x, k.y) for k in getattr(pose, name)] for pose in poses]
        arrays[f"whole_{name}"] = np.array(rows, np.float32)
    joints = [[(np.nan,) * 2 if k is None else (k.x, k.y) for k in pose.body.keypoints] for pose in poses]
    arrays["whole_body"] = np.array(joints, np.float64)
    arrays["whole_map"] = detector(picture, side, side, include_face=True, output_type="np")


def main() -> None:
    """Write the arrays."""
    arrays: dict[str, NDArray[Any]] = {}
    networks(arrays)
    decoders(arrays)
    whole(arrays)
    np.savez_compressed(HERE / "openpose.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
