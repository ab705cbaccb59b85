"""Nodes of another pack that draw, colour and follow poses, under its names; the work is done by the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.poses.face_regions import COLOURS
from ..core.poses.files import from_documents
from ..core.poses.tracking import PARTS, SIZES
from . import inputs
from .inputs import OLDER
from .poses import POSES, draw_poses

if TYPE_CHECKING:
    from torch import Tensor

    Tracking = dict[str, dict[int, dict[int, tuple[float, ...]]]]

SUFFIX = "_width_height"
COLOUR_INPUTS = {part: ("STRING", {"default": colour, "multiline": False}) for part, colour in COLOURS.items()}
SIZE_INPUTS = {part + SUFFIX: ("STRING", {"default": SIZES[part], "multiline": False}) for part in PARTS}


class RenderAnimals:
    """Drawing of animals under the other pack's names."""

    TITLE = "Render Pose JSON (Animal)"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("IMAGE",), "render"
    INPUT_TYPES = inputs.fixed({"kps": POSES})

    def render(self, kps: Any) -> tuple[Tensor]:
        """Draw every pose of the batch at its own size."""
        return draw_poses(kps, body=False, hands=False, face=False)


class ColourFaceParts:
    """Parts of faces in colours of their own."""

    TITLE = "Colorize Facial Parts from PoseKPS"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("IMAGE",), "colorize"
    INPUT_TYPES = inputs.fixed(
        {"pose_kps": POSES, "mode": (["point", "polygon"], {"default": "polygon"}), **COLOUR_INPUTS}
    )

    def colorize(self, pose_kps: Any, mode: Any, **colours: str) -> tuple[Tensor]:
        """Paint the faces of every pose of the batch. Raises BadParameter for what is no colour."""
        import numpy as np

        from ..core.poses.face_regions import draw_face_regions
        from . import pictures

        return (
            pictures.image(np.stack([draw_face_regions(pose, colours, mode) for pose in from_documents(pose_kps)])),
        )


class FollowBodies:
    """Boxes around parts of bodies over the frames of a film, for InstanceDiffusion."""

    TITLE = "Upper Body Tracking From PoseKps (InstanceDiffusion)"
    CATEGORY = OLDER
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("TRACKING", "STRING"), ("tracking", "prompt"), "convert"
    INPUT_TYPES = inputs.fixed(
        {"pose_kps": POSES, "id_include": ("STRING", {"default": "", "multiline": False}), **SIZE_INPUTS}
    )

    def convert(self, pose_kps: Any, id_include: str, **sizes: str) -> tuple[Tracking, str]:
        """Follow the parts. Raises BadParameter for what is no list of numbers."""
        from ..core.poses.tracking import draft_prompt, track_parts

        named = {name.removesuffix(SUFFIX): size for name, size in sizes.items()}
        found = track_parts(from_documents(pose_kps), named, id_include)
        return found, draft_prompt(found)  # type: ignore[return-value]


def nodes() -> dict[str, type]:
    """None of our own."""
    return {}


def drop_ins() -> dict[str, type]:
    """The other pack's class name → node."""
    return {
        "FacialPartColoringFromPoseKps": ColourFaceParts,
        "RenderAnimalKps": RenderAnimals,
        "UpperBodyTrackingFromPoseKps": FollowBodies,
    }
