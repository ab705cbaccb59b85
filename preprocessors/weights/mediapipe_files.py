"""Records of the bundled MediaPipe weights. Imports nothing heavy.

Source: mediapipe 0.10.21 from PyPI (Apache-2.0), converted by ``tools/convert_mediapipe.py``.
"""

from __future__ import annotations

from ...core.weights.record import Weight


def _bundled(name: str, size: int, sha256: str) -> Weight:
    file = f"mediapipe_{name}.safetensors"
    return Weight(file=file, sha256=sha256, size=size, licence="Apache-2.0", commercial=True, bundled=file)


POSE_DETECTION = _bundled("pose_detection", 2213938, "32a52735082be2ac6b4150d9b4cbfbcfa3531a716b328e818ee784acec90b190")
POSE_LANDMARK_FULL = _bundled(
    "pose_landmark_full", 6092998, "b9874ea49120bd73398d09a000000825814fb0b058baa4d7cd381d8f13b3a281"
)
PALM_DETECTION_FULL = _bundled(
    "palm_detection_full", 2299520, "77e9876cb216667467502c84a57c6ddd4762749410de05e249a037ddb9a391a0"
)
HAND_LANDMARK_FULL = _bundled(
    "hand_landmark_full", 3684810, "8125e073af745dd500c88cbc942d09668fe2812d40893294fbb09883be3cced8"
)
FACE_DETECTION_SHORT_RANGE = _bundled(
    "face_detection_short_range", 217300, "db397d4ab7bd5a405ef4c54a7df735848c1608c9ed18b233d259ed67c27c248b"
)
FACE_LANDMARK = _bundled("face_landmark", 1228370, "199f27460da42d71b8440cfe862a8c0f365ac930a00402f39d4cdc44979ea497")
IRIS_LANDMARK = _bundled("iris_landmark", 731094, "0a51f3d104acacd02a9208838dbe4e6d63389d24cf881ff7f46052f54f1cdf66")
SELFIE_SEGMENTATION = _bundled(
    "selfie_segmentation", 234530, "32e466c31800832ab658e29654f86a557d90887138cb71a3ab074bab07e4920c"
)
