"""What an annotator offers so that its maps can be made again from what a filter over time changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..images.types import Images, Plane, Values
    from ..poses.model import Pose


@runtime_checkable
class PoseDrawing(Protocol):
    """Annotators of poses: their maps are drawings of the poses and nothing else."""

    def draw_poses(self, poses: Sequence[Pose], params: Any) -> Images:
        """Maps uint8 [B, H, W, 3] of poses, as `run` draws them."""
        ...


@runtime_checkable
class SpanRendering(Protocol):
    """Annotators of depth: their maps show the values within a range, which a clip shares."""

    def find_span(self, plane: Plane, params: Any) -> tuple[float, float]:
        """Range of a plane float32 [H, W], in the values' units, that `run` shows it in."""
        ...

    def render_span(self, values: Values, params: Any, span: tuple[float, float]) -> Images:
        """Maps uint8 [B, H, W, 3] of values [B, H, W] in a range; what lies beyond it is cut off.

        With the range of `find_span` the map of a plane is that of `run`.
        """
        ...
