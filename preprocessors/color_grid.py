"""Coarse grid of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params, between

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ColorGridParams(Params, frozen=True):
    """How fine the grid is."""

    cell: Annotated[
        int, between(8, 256, "Least side of a cell in pixels; the T2I adapter was trained with 64", step=8)
    ] = 64


class ColorGrid(Annotator[ColorGridParams]):
    """Flat squares in the colours of the picture, a palette with places.

    The map holds as many whole cells as fit, at least one, stretched to its size: a 150 x 100 map has 2 x 1 cells of
    75 x 100 pixels. As in T2I-Adapter a cell's colour is a bicubic sample near its centre, not the cell's average.
    """

    spec = Spec(
        id="color_grid",
        title="Colour grid",
        kind=Kind.COLOUR,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="C. Mou et al., T2I-Adapter, 2023, arXiv:2302.08453; TencentARC/T2I-Adapter",
        aliases=(
            Alias("color", "a1111"),
            Alias("t2ia_color_grid", "a1111"),
            Alias("ColorPreprocessor", "comfyui", {}, "Color Pallete", (RESOLUTION,)),
        ),
        consumers=("t2iadapter_color_sd14v1",),
        smooth=False,
    )

    def run(self, request: Request[ColorGridParams]) -> ControlMap:
        """Maps of flat cells."""
        import cv2

        from .maps.filters import apply_each

        height, width = request.size
        cells = max(1, width // request.params.cell), max(1, height // request.params.cell)

        def grid(picture: NDArray[Any]) -> NDArray[Any]:
            coarse = cv2.resize(picture, cells, interpolation=cv2.INTER_CUBIC)
            return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)

        return ControlMap(apply_each(request.images, grid))
