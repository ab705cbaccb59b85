"""Depth in metres by ZoeDepth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget
from ..core.params import Params, about
from .weights.depth_files import CONSUMERS, VARIANT_HELP, ZOE, ZOE_ORIGINAL, Variant, Zoe

if TYPE_CHECKING:
    from ..core.images.types import Images, Plane, Values
    from ..core.weights.record import Weight

ENVIRONMENT = Widget(
    name="environment",
    default="indoor",
    choices=("indoor", "outdoor"),
    means={"indoor": {"model": "nyu"}, "outdoor": {"model": "kitti"}},
)
ANYTHING = "ZoeDepth on Depth Anything's backbone"
MODEL_HELP = "What it was trained on: nyu indoors to 10 m, kitti on roads to 80 m, nyu_kitti both, it chooses"


class DepthZoeParams(Params, frozen=True):
    """Choices of ZoeDepth."""

    old_names: ClassVar[dict[str, str]] = {"form": "variant", "gamma": "gamma_corrected"}

    model: Annotated[Zoe, about(MODEL_HELP)] = "nyu"
    variant: Annotated[Variant, about(f"{VARIANT_HELP}; only nyu has both")] = "original"
    gamma_corrected: Annotated[bool, about("Darken the middle: brightness to the power of 2.2")] = False


class DepthZoe(Annotator[DepthZoeParams]):
    """How far things are, in metres as values; near is white.

    ZoeDepth as its authors run it: a mirrored border, the mean with the mirror image, about 384 x 512, white at the 2nd
    percentile of the distances and black at the 85th. ComfyUI's node has no mirror image and takes the percentiles of a
    picture already cut to 8 bit.
    """

    spec = Spec(
        id="depth_zoe",
        title="ZoeDepth",
        kind=Kind.DEPTH,
        licence="MIT",
        commercial=True,
        source="Bhat et al. 2023, arXiv:2302.12288; isl-org/ZoeDepth",
        aliases=(
            Alias(
                "Zoe-DepthMapPreprocessor",
                "comfyui",
                {"model": "nyu_kitti", "variant": "transformers"},
                "Zoe Depth Map",
                (RESOLUTION,),
            ),
            Alias(
                "Zoe_DepthAnythingPreprocessor",
                "comfyui",
                {"variant": "transformers"},
                "Zoe Depth Anything",
                (ENVIRONMENT, RESOLUTION),
                instead=ANYTHING,
            ),
            Alias("ZoeDetector", "controlnet_aux"),
        ),
        consumers=CONSUMERS,
        weights=(*ZOE.values(), ZOE_ORIGINAL),
        requires=("cv2", "torch", "transformers.models.beit", "transformers.models.zoedepth"),
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: DepthZoeParams) -> tuple[Weight, ...]:
        """Return the file of the chosen model and variant."""
        return (ZOE_ORIGINAL if (params.model, params.variant) == ("nyu", "original") else ZOE[params.model],)

    def run(self, request: Request[DepthZoeParams]) -> ControlMap:
        """Return metres as values, and white to black between two percentiles of them."""
        from .maps import depth
        from .nets import zoedepth

        params = request.params
        values = zoedepth.estimate_metres(request.images, params.model, self.weights_for(params)[0], self.placement)
        shown = depth.render_distance_by_percentile(values, gamma_corrected=params.gamma_corrected)
        return ControlMap(shown.images, shown.values, notes=shown.notes)

    def find_span(self, plane: Plane, params: DepthZoeParams) -> tuple[float, float]:
        """Range of a plane, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.find_percentile_span(plane)

    def render_span(self, values: Values, params: DepthZoeParams, span: tuple[float, float]) -> Images:
        """Maps of values in a range, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.render_distance_by_percentile(values, gamma_corrected=params.gamma_corrected, span=span).images
