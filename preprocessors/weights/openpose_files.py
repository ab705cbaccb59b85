"""Weights of OpenPose's networks as ControlNet has them."""

from __future__ import annotations

from .annotators_repo import annotators_file

LICENCE = "CMU academic, non-commercial"

BODY = annotators_file(
    "body_pose_model.pth",
    "25a948c16078b0f08e236bda51a385d855ef4c153598947c28c0d47ed94bb746",
    209267595,
    licence=LICENCE,
    commercial=False,
)
HAND = annotators_file(
    "hand_pose_model.pth",
    "b76b00d1750901abd07b9f9d8c98cc3385b8fe834a26d4b4f0aad439e75fc600",
    147341049,
    licence=LICENCE,
    commercial=False,
)
FACE = annotators_file(
    "facenet.pth",
    "8beb52e548624ffcc4aed12af7aee7dcbfaeea420c75609fee999fe7add79d43",
    153718792,
    licence=LICENCE,
    commercial=False,
)
