"""Line art without a network."""

from __future__ import annotations

from typing import Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, between
from .weights.transformer_controls import list_controls

WIDGETS = (
    number("guassian_sigma", 6.0, 0, 100, "gaussian_sigma", step=0.01),
    number("intensity_threshold", 8, 0, 16, "intensity_threshold"),
    RESOLUTION,
)


class LineartStandardParams(Params, frozen=True):
    """What counts as a line."""

    gaussian_sigma: Annotated[float, between(0.1, 100, "Pixels over which the surroundings are averaged", step=0.1)] = (
        6.0
    )
    intensity_threshold: Annotated[
        int, between(0, 16, "Levels from which a line counts for the brightness of the map")
    ] = 8


class LineartStandard(Annotator[LineartStandardParams]):
    """Soft white lines where a drawing or photo is darker than its surroundings.

    Meant for drawings in black on white. The lines are scaled until their median is mid-grey. `values` is the map
    before it was cut to 8 bits, float32 [B, H, W], 0..1.
    """

    spec = Spec(
        id="lineart_standard",
        title="Line art (standard)",
        kind=Kind.LINES,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="Mikubill/sd-webui-controlnet",
        aliases=(
            Alias("lineart_standard (from white bg & black line)", "a1111"),
            Alias("LineartStandardPreprocessor", "comfyui", {}, "Standard Lineart", WIDGETS),
            Alias("LineartStandardDetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_lineart",
            "control_v11p_sd15s2_lineart_anime",
            "TheMistoAI/MistoLine",
            "SDXL union, type 3",
            *list_controls("lineart"),
        ),
        values="scalar",
    )

    def run(self, request: Request[LineartStandardParams]) -> ControlMap:
        """Grey maps and the values behind them."""
        import numpy as np

        from .maps.edges import to_rgb
        from .maps.filters import apply_each, extract_standard_lines

        sigma, threshold = request.params.gaussian_sigma, request.params.intensity_threshold
        levels = apply_each(request.images, lambda picture: extract_standard_lines(picture, sigma, threshold))
        return ControlMap(to_rgb(levels.astype(np.uint8)), (levels / 255).astype(np.float32))
