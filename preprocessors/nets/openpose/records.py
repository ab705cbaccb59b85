"""Weights of OpenPose's networks as ControlNet has them; free of heavy imports, so that annotators can declare them."""

from __future__ import annotations

from ....core.weights import Weight

REPO = "lllyasviel/Annotators"
REVISION = "982e7edaec38759d914a963c48c4726685de7d96"
LICENCE = "CMU academic, non-commercial"

BODY = Weight(
    repo=REPO,
    revision=REVISION,
    file="body_pose_model.pth",
    sha256="25a948c16078b0f08e236bda51a385d855ef4c153598947c28c0d47ed94bb746",
    size=209267595,
    licence=LICENCE,
    commercial=False,
)
HAND = Weight(
    repo=REPO,
    revision=REVISION,
    file="hand_pose_model.pth",
    sha256="b76b00d1750901abd07b9f9d8c98cc3385b8fe834a26d4b4f0aad439e75fc600",
    size=147341049,
    licence=LICENCE,
    commercial=False,
)
FACE = Weight(
    repo=REPO,
    revision=REVISION,
    file="facenet.pth",
    sha256="8beb52e548624ffcc4aed12af7aee7dcbfaeea420c75609fee999fe7add79d43",
    size=153718792,
    licence=LICENCE,
    commercial=False,
)
