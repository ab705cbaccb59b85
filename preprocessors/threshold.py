"""Black and white by a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget
from ..core.params import Params, about, between

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Measure = Literal["darkest", "grey", "otsu"]


WIDGETS = (
    Widget(
        name="bin_threshold",
        default=100,
        low=0,
        high=255,
        step=1,
        field="threshold",
        means={0: {"measure": "otsu"}, 255: {"measure": "otsu"}},
    ),
    RESOLUTION,
)


class ThresholdParams(Params, frozen=True):
    """What is compared with what."""

    threshold: Annotated[int, between(0, 255, "Levels above this become white, the others black")] = 127
    measure: Annotated[
        Measure, about("Level of a pixel: darkest channel, grey (luma), or grey with Otsu's threshold per picture")
    ] = "darkest"


class Threshold(Annotator[ThresholdParams]):
    """White where a picture is bright, black elsewhere, for drawings that are white on black already.

    `otsu` chooses the threshold of each picture from its histogram and ignores `threshold` (ComfyUI's Binary Lines does
    so when its own threshold is 0 or 255).
    """

    spec = Spec(
        id="threshold",
        title="Threshold",
        kind=Kind.SCRIBBLE,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="Mikubill/sd-webui-controlnet; N. Otsu, A Threshold Selection Method from Gray-Level Histograms, 1979",
        aliases=(
            Alias("BinaryPreprocessor", "comfyui", {"measure": "grey", "threshold": 100}, "Binary Lines", WIDGETS),
            Alias("ScribblePreprocessor", "comfyui", {"threshold": 126}, "Scribble Lines", (RESOLUTION,)),
        ),
        consumers=("control_v11p_sd15_scribble", "xinsir/controlnet-scribble-sdxl-1.0", "SDXL union, type 2"),
        smooth=False,
        makes_mask=True,
    )

    def run(self, request: Request[ThresholdParams]) -> ControlMap:
        """Binary maps, 255 where the level is above the threshold."""
        from .maps.edges import to_rgb
        from .maps.filters import apply_each

        return ControlMap(to_rgb(apply_each(request.images, _binary(request.params))))


def _binary(params: ThresholdParams) -> Callable[[NDArray[Any]], NDArray[Any]]:
    import cv2
    import numpy as np

    method = cv2.THRESH_BINARY | (cv2.THRESH_OTSU if params.measure == "otsu" else 0)

    def binary(picture: NDArray[Any]) -> NDArray[Any]:
        darkest = params.measure == "darkest"
        level = picture.min(axis=-1) if darkest else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.threshold(level, params.threshold, 255, method)[1])

    return binary
