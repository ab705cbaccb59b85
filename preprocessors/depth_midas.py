"""Depth by MiDaS."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about
from .weights.depth_files import CONSUMERS, MIDAS, VARIANT_HELP, Variant

if TYPE_CHECKING:
    from ..core.images.types import Images, Plane, Values
    from ..core.weights.record import Weight

WIDGETS = (number("a", 2 * pi, 0.0, 5 * pi, step=0.01), number("bg_threshold", 0.1, 0, 1, step=0.01), RESOLUTION)
"""The first two change nothing but normals, there as here."""


class DepthMidasParams(Params, frozen=True):
    """Choices of MiDaS depth."""

    old_names: ClassVar[dict[str, str]] = {"form": "variant"}

    variant: Annotated[Variant, about(VARIANT_HELP)] = "original"


class DepthMidas(Annotator[DepthMidasParams]):
    """How near things are, near is white, as the first depth ControlNets learnt it.

    MiDaS 3.0 (DPT-Hybrid). The network sees the map-sized picture, so the resolution decides how much detail it finds:
    it was trained at 384, the ControlNets at 256, 384 and 512. ComfyUI's node of today squashes every picture to 384 x
    384, which is not done here.
    """

    spec = Spec(
        id="depth_midas",
        title="MiDaS depth",
        kind=Kind.DEPTH,
        licence="MIT",
        commercial=True,
        source="Ranftl et al. 2021, arXiv:2103.13413; isl-org/MiDaS",
        aliases=(
            Alias("depth", "a1111"),
            Alias("MiDaS-DepthMapPreprocessor", "comfyui", {"variant": "transformers"}, "MiDaS Depth Map", WIDGETS),
            Alias("MidasDetector", "controlnet_aux"),
        ),
        consumers=CONSUMERS,
        weights=tuple(MIDAS.values()),
        requires=("cv2", "torch", "transformers.models.bit", "transformers.models.dpt"),
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: DepthMidasParams) -> tuple[Weight, ...]:
        """Return the file of the chosen variant."""
        return (MIDAS[params.variant],)

    def run(self, request: Request[DepthMidasParams]) -> ControlMap:
        """Return the disparity as values, and brought to black..white."""
        from .maps import depth
        from .nets import dpt_hybrid

        shown = depth.render_disparity(
            dpt_hybrid.estimate_disparity(request.images, request.params.variant, self.placement)
        )
        return ControlMap(shown.images, shown.values, notes=shown.notes)

    def find_span(self, plane: Plane, params: DepthMidasParams) -> tuple[float, float]:
        """Range of a plane, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.find_span(plane)

    def render_span(self, values: Values, params: DepthMidasParams, span: tuple[float, float]) -> Images:
        """Maps of values in a range, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.render_disparity(values, span).images
