"""What JSON that holds no poses looks like, so that its refusal can say so."""

from __future__ import annotations

from typing import Any

from .keypoint_lists import describe

_SIGNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("last_node_id", "nodes"), "it looks like a ComfyUI workflow; save the poses with a node for poses"),
    (("pose_keypoints_3d",), "it looks like OpenPose's 3D output; write 2D keypoints"),
    (("shapes", "imagePath"), "it looks like LabelMe's; it holds shapes and no poses"),
    (("face_landmarks",), "it looks like MediaPipe's; write its landmarks as lists of x and y"),
    (("multi_hand_landmarks",), "it looks like MediaPipe's hands; write them as hand_left_keypoints_2d"),
    (("images", "categories"), "it looks like a COCO data set whose annotations hold no keypoints"),
    (("images", "info"), "it looks like the answer of A1111's API, without poses"),
    (("features", "type"), "it looks like GeoJSON"),
    (("segmentation",), "it looks like COCO's segmentation"),
    (("frames", "bones"), "it looks like a motion file"),
    (("weight_map",), "it looks like the index of a weights file"),
)
"""Keys that occur together → what has them."""


def describe_form(data: Any) -> str:
    """What the data looks like, in a sentence."""
    if isinstance(data, dict):
        return _describe_object(data)
    if isinstance(data, list):
        kinds = sorted({describe(one) for one in data[:100]})
        return f"it is a list of {len(data)}: {', '.join(kinds)}"
    return f"it is {describe(data)}"


def _describe_object(data: dict[str, Any]) -> str:
    for keys, text in _SIGNS:
        if all(key in data for key in keys):
            return text
    if any(isinstance(one, dict) and "class_type" in one for one in data.values()):
        return "it looks like a ComfyUI workflow in the API's form; save the poses with a node for poses"
    names = ", ".join(repr(key[:40]) for key in list(data)[:6])
    more = f" and {len(data) - 6} more" if len(data) > 6 else ""
    return f"it is an object with the keys {names}{more}" if data else "it is an empty object"
