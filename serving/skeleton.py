"""How poses are drawn, as JSON, for editors."""

from __future__ import annotations

from typing import Any


def describe_skeleton() -> dict[str, Any]:
    """Names and numbers of keypoints, limbs as pairs of them, and colours as RGB, for each part of a person."""
    from ..core.poses.drawing import COLOURS, FINGERS, LIMBS
    from ..core.poses.edit import MIRRORED_BODY, MIRRORED_FACE
    from ..core.poses.model import FACE, HAND, PART_KEYS
    from ..core.poses.names import JOINTS

    body, face, left, right = PART_KEYS
    hand = {"count": HAND, "limbs": FINGERS, "colours": []}
    return {
        "parts": {
            body: {
                "count": len(JOINTS),
                "names": list(JOINTS),
                "limbs": LIMBS,
                "colours": COLOURS,
                "mirror": MIRRORED_BODY,
            },
            face: {"count": FACE, "limbs": [], "colours": [], "mirror": MIRRORED_FACE},
            left: hand,
            right: hand,
        },
    }
