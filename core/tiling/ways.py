"""How the tiles of an annotator's map become one: read from what the annotator declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..annotator import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from ..annotator import Annotator, Request
    from ..images.geometry import Size
    from ..images.types import Images

    Lines = NDArray[float64]
    """float64 [n, 4], (x1, y1, x2, y2) in pixels of the map."""

Way = Literal["whole", "blend", "nearest", "normals", "depth", "poses", "lines"]
"""whole: no tiles. blend: weighted mean. nearest: each pixel of the tile that has it furthest inside. normals: mean of
unit vectors. depth: scale and shift of each tile as in a pass over the whole picture, then blended. poses: people of
the whole picture, and those that a tile holds whole. lines: segments, joined where tiles cut them."""


WHOLE_KINDS = (Kind.FACE, Kind.MASK)
"""Kinds of maps that show what only the whole picture tells: a face, where a person ends."""


class LineDrawing(Protocol):
    """Annotators of straight lines: their maps are drawings of segments and nothing else."""

    def find_lines(self, request: Request[Any]) -> Sequence[Lines]:
        """Segments of each picture of a request."""
        ...

    def draw_lines(self, lines: Sequence[Lines], size: Size) -> Images:
        """Maps uint8 [B, H, W, 3] of segments, as `run` draws them."""
        ...


def find_way(annotator: Annotator[Any] | type[Annotator[Any]]) -> Way:
    """How tiles of this annotator's maps are joined."""
    spec = annotator.spec
    if not spec.weights or spec.kind in WHOLE_KINDS:
        return "whole"
    if hasattr(annotator, "draw_poses"):  # core.video.redrawing.PoseDrawing
        return "poses"
    if hasattr(annotator, "draw_lines"):
        return "lines"
    if spec.kind is Kind.DEPTH:  # core.video.redrawing.SpanRendering
        return "depth" if hasattr(annotator, "render_span") else "whole"
    if spec.kind is Kind.NORMALS:
        return "normals"
    return "blend" if spec.smooth and spec.values != "labels" else "nearest"


def explain_whole(annotator: Annotator[Any]) -> str:
    """Why an annotator makes its maps in one piece, for users who asked for tiles."""
    if not annotator.spec.weights:
        return "tiles are for networks: this map is computed in one piece"
    return "this map is made in one piece: what it shows is found in the whole picture"
