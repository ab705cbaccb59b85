"""Canny edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, between
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from numpy.typing import NDArray


WIDGETS = (
    number("low_threshold", 100, 0, 255, "low_threshold"),
    number("high_threshold", 200, 0, 255, "high_threshold"),
    RESOLUTION,
)


class CannyParams(Params, frozen=True):
    """Gradient sums of a 3 x 3 Sobel filter, |dx| + |dy|, at which lines begin and go on."""

    low_threshold: Annotated[int, between(0, 255, "A line goes on while its gradient is above this")] = 100
    high_threshold: Annotated[int, between(0, 255, "A line starts where its gradient is above this")] = 200


class Canny(Annotator[CannyParams]):
    """Thin white lines where brightness or colour changes sharply.

    The picture is taken as it is, without a blur and in colour: per pixel the channel with the largest gradient counts.
    Lower thresholds give more lines. Thresholds in the wrong order are swapped.
    """

    spec = Spec(
        id="canny",
        title="Canny edges",
        kind=Kind.EDGES,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="J. Canny, A Computational Approach to Edge Detection, 1986, doi:10.1109/TPAMI.1986.4767851",
        aliases=(
            Alias("CannyEdgePreprocessor", "comfyui", {}, "Canny Edge", WIDGETS),
            Alias("CannyDetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_canny",
            "control_sd15_canny",
            "diffusers/controlnet-canny-sdxl-1.0",
            "xinsir/controlnet-canny-sdxl-1.0",
            "SDXL union, type 3",
            *list_controls("canny"),
        ),
        smooth=False,
    )

    def run(self, request: Request[CannyParams]) -> ControlMap:
        """Binary maps, 255 on edges."""
        import cv2

        from .maps.edges import to_rgb
        from .maps.filters import apply_each

        low, high = request.params.low_threshold, request.params.high_threshold

        def edges(picture: NDArray[Any]) -> NDArray[Any]:
            return cv2.Canny(picture, low, high, apertureSize=3, L2gradient=False)

        return ControlMap(to_rgb(apply_each(request.images, edges)))
