"""Control types, by which A1111 and Forge sort preprocessors and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..annotator import Kind

if TYPE_CHECKING:
    from collections.abc import Set

    from ..annotator import Spec

CONTROL_TYPES = {
    Kind.EDGES: ("Canny",),
    Kind.SOFT_EDGES: ("SoftEdge",),
    Kind.LINES: ("Lineart", "MLSD"),
    Kind.SCRIBBLE: ("Scribble", "Sketch"),
    Kind.DEPTH: ("Depth",),
    Kind.NORMALS: ("NormalMap",),
    Kind.SEGMENTATION: ("Segmentation",),
    Kind.POSE: ("OpenPose",),
    Kind.FACE: ("OpenPose",),
    Kind.COLOUR: ("T2I-Adapter", "Recolor"),
    Kind.TILE: ("Tile", "Blur"),
    Kind.SHUFFLE: ("Shuffle",),
    Kind.INPAINT: ("Inpaint",),
    Kind.MASK: ("Inpaint",),
}
"""Kind of a map → control types; where there are several, those that one of its ControlNets is named after."""


def choose_control_types(spec: Spec, offered: Set[str]) -> list[str]:
    """Control types of an annotator among those that a host has."""
    suited = [name for name in CONTROL_TYPES.get(spec.kind, ()) if name in offered]
    consumers = " ".join(spec.consumers).lower()
    named = [name for name in suited if name.lower() in consumers]
    return named or suited[:1]
