"""Scribbles by a difference of Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about, between
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE, COARSE = 0.5, 5.0
"""Standard deviations of the two blurs in pixels."""
ROUNDING = 1e-3
"""Levels that the blurs of a flat page may differ by; without them the lowest threshold would paint it white."""


WIDGETS = (number("threshold", 32, 1, 64, "threshold"), RESOLUTION)


class XdogParams(Params, frozen=True):
    """Strength of a stroke is how many levels (0..255) it is darker than its surroundings."""

    old_names: ClassVar[dict[str, str]] = {"parity": "reference_compat"}

    threshold: Annotated[int, between(1, 64, "Twice the strength above which a stroke is drawn; lower draws more")] = 32
    reference_compat: Annotated[
        bool, about("As A1111 and ComfyUI: strokes of strength 128 to 144 are lost (8-bit overflow)")
    ] = False


class ScribbleXdog(Annotator[XdogParams]):
    """Broad white strokes along the dark lines of a picture or drawing.

    A stroke lies where the picture blurred with sigma 0.5 is darker in every channel than blurred with sigma 5.
    A1111 and ComfyUI double the strength in 8 bits, so that 128 counts as 0 and strong strokes get holes;
    `reference_compat` repeats that.
    """

    spec = Spec(
        id="scribble_xdog",
        title="Scribble (XDoG)",
        kind=Kind.SCRIBBLE,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="H. Winnemoeller et al., XDoG: An eXtended difference-of-Gaussians compendium, 2012, "
        "doi:10.1016/j.cag.2012.03.004; thresholds as in lllyasviel/ControlNet-v1-1-nightly",
        aliases=(Alias("Scribble_XDoG_Preprocessor", "comfyui", {}, "Scribble XDoG Lines", WIDGETS),),
        consumers=(
            "control_v11p_sd15_scribble",
            "control_sd15_scribble",
            "xinsir/controlnet-scribble-sdxl-1.0",
            "SDXL union, type 2",
            *list_controls("scribble"),
        ),
        smooth=False,
    )

    def run(self, request: Request[XdogParams]) -> ControlMap:
        """Binary maps, 255 on strokes."""
        import numpy as np

        from .maps.edges import to_rgb
        from .maps.filters import apply_each, compute_darkness, gaussian_blur

        params = request.params

        def strokes(picture: NDArray[Any]) -> NDArray[Any]:
            exact = picture.astype(np.float32)
            strength = compute_darkness(gaussian_blur(exact, FINE), gaussian_blur(exact, COARSE))
            levels = np.ceil(strength if params.reference_compat else strength - ROUNDING).astype(np.int32)
            doubled = 2 * levels % 256 if params.reference_compat else 2 * levels
            return np.where(doubled > params.threshold, np.uint8(255), np.uint8(0))

        return ControlMap(to_rgb(apply_each(request.images, strokes)))
