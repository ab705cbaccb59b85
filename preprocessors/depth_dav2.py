"""Depth Anything, second version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget, number
from ..core.params import Params, about, between
from .weights.depth_files import (
    CONSUMERS,
    DEPTH_ANYTHING_2,
    INPUT_SIZE_HELP,
    METRES,
    VARIANT_HELP,
    DepthAnything2,
    Variant,
)

if TYPE_CHECKING:
    from ..core.images.types import Images, Plane, Values
    from ..core.weights.record import Weight

GIANT, LARGE, BASE, SMALL = (f"depth_anything_v2_vit{size}.pth" for size in "glbs")
WIDGETS = (
    Widget(
        name="ckpt_name",
        default=LARGE,
        choices=(GIANT, LARGE, BASE, SMALL),
        means={
            GIANT: {"model": "large"},
            LARGE: {"model": "large"},
            BASE: {"model": "base"},
            SMALL: {"model": "small"},
        },
    ),
    RESOLUTION,
)
METRIC_WIDGETS = (
    Widget(
        name="environment",
        default="indoor",
        choices=("indoor", "outdoor"),
        means={place: {"model": f"small_{place}"} for place in ("indoor", "outdoor")},
    ),
    number("max_depth", 20.0, 0.0, 100.0, step=0.01),
    RESOLUTION,
)
MODEL_HELP = "Size of the backbone; small_indoor and small_outdoor give metres; base and large are non-commercial"


class DepthDav2Params(Params, frozen=True):
    """Choices of Depth Anything v2."""

    old_names: ClassVar[dict[str, str]] = {"form": "variant", "side": "input_size"}

    model: Annotated[DepthAnything2, about(MODEL_HELP)] = "small"
    variant: Annotated[Variant, about(VARIANT_HELP)] = "transformers"
    input_size: Annotated[int, between(126, 1036, INPUT_SIZE_HELP, step=14)] = 518


class DepthDav2(Annotator[DepthDav2Params]):
    """How near things are, near is white, with fine outlines.

    Depth Anything v2. A1111's `depth_anything_v2` and ComfyUI's `DepthAnythingV2Preprocessor` mean the large model,
    whose weights are non-commercial; the giant one was never published and is taken for the large one. The network sees
    the picture as it was read; A1111 gives it red and blue swapped, which is not done here.
    """

    spec = Spec(
        id="depth_dav2",
        title="Depth Anything v2",
        kind=Kind.DEPTH,
        licence="Apache-2.0 (small), CC-BY-NC-4.0 (base, large)",
        commercial=True,
        source="Yang et al. 2024, arXiv:2406.09414; DepthAnything/Depth-Anything-V2",
        aliases=(
            Alias("depth_anything_v2", "a1111", {"model": "large", "variant": "original"}),
            Alias(
                "DepthAnythingV2Preprocessor",
                "comfyui",
                {"model": "large", "variant": "original"},
                "Depth Anything V2 - Relative",
                WIDGETS,
            ),
            Alias(
                "Metric_DepthAnythingV2Preprocessor",
                "comfyui",
                {"model": "small_indoor"},
                "Depth Anything V2 - Metric",
                METRIC_WIDGETS,
                instead="the large metric network",
            ),
        ),
        consumers=CONSUMERS,
        weights=tuple(DEPTH_ANYTHING_2.values()),
        requires=("cv2", "torch"),
        input_size="original",
        bf16=True,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: DepthDav2Params) -> tuple[Weight, ...]:
        """Return the file of the chosen model and variant."""
        return (DEPTH_ANYTHING_2[params.model, params.variant],)

    def run(self, request: Request[DepthDav2Params]) -> ControlMap:
        """Return the disparity or the metres as values, and brought to black..white."""
        from .maps import depth
        from .nets import depth_anything

        params = request.params
        (weight,) = self.weights_for(params)
        build = depth_anything.Builder(2, params.model)
        values = depth_anything.estimate(request.images, request.size, weight, build, params.input_size, self.placement)
        shown = (depth.render_distance if params.model in METRES else depth.render_disparity)(values)
        return ControlMap(shown.images, shown.values, notes=shown.notes)

    def find_span(self, plane: Plane, params: DepthDav2Params) -> tuple[float, float]:
        """Range of a plane, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.find_span(plane)

    def render_span(self, values: Values, params: DepthDav2Params, span: tuple[float, float]) -> Images:
        """Maps of values in a range, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return (depth.render_distance if params.model in METRES else depth.render_disparity)(values, span).images
