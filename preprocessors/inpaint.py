"""Picture with the part to be repainted marked."""

from __future__ import annotations

from typing import Annotated, Literal

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import Widget
from ..core.errors import BadImage
from ..core.params import Params, about

WIDGETS = (
    Widget(
        name="black_pixel_for_xinsir_cn",
        default=False,
        means={True: {"fill": "zero"}, False: {"fill": "minus_one"}},
    ),
)


class InpaintParams(Params, frozen=True):
    """What stands for a pixel to be repainted."""

    fill: Annotated[
        Literal["minus_one", "zero"],
        about("Value of masked pixels: -1 (ControlNet 1.1) or 0 (xinsir's union and ProMax)"),
    ] = "minus_one"


class Inpaint(Annotator[InpaintParams]):
    """The picture with everything under the mask taken out.

    `values` is what the ControlNet wants: float32 [B, H, W, 3], 0..1, with exactly -1 (or 0, see `fill`) under the
    mask. The 8-bit map cannot hold -1; it shows those pixels black.
    """

    spec = Spec(
        id="inpaint",
        requires=(),
        title="Inpaint",
        kind=Kind.INPAINT,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="lllyasviel/ControlNet-v1-1-nightly; xinsir6/ControlNetPlus",
        aliases=(
            Alias("inpaint_global_harmonious", "a1111"),
            Alias("inpaint_only", "a1111"),
            Alias("InpaintPreprocessor", "comfyui", {}, "Inpaint Preprocessor", WIDGETS),
        ),
        consumers=("control_v11p_sd15_inpaint", "SDXL union ProMax, type 7 (fill zero)"),
        smooth=False,
        takes_mask=True,
        values="rgb",
    )

    def run(self, request: Request[InpaintParams]) -> ControlMap:
        """Pictures without the masked part; raises BadImage without a mask."""
        import numpy as np

        if request.masks is None:
            raise BadImage("needs a mask of what is to be repainted", where=self.spec.id)
        masked = request.masks[..., None]
        fill = np.float32(-1 if request.params.fill == "minus_one" else 0)
        values = np.where(masked, fill, request.images / np.float32(255))
        return ControlMap(np.where(masked, np.uint8(0), request.images), values)
