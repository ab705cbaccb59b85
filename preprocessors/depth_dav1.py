"""Depth Anything, first version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget
from ..core.params import Params, about, between
from .weights.depth_files import CONSUMERS, DEPTH_ANYTHING_1, INPUT_SIZE_HELP, VARIANT_HELP, DepthAnything1, Variant

if TYPE_CHECKING:
    from ..core.images.types import Images, Plane, Values
    from ..core.weights.record import Weight

FILES = ("depth_anything_vitl14.pth", "depth_anything_vitb14.pth", "depth_anything_vits14.pth")
WIDGETS = (
    Widget(
        name="ckpt_name",
        default=FILES[0],
        choices=FILES,
        means={FILES[0]: {"model": "large"}, FILES[1]: {"model": "base"}, FILES[2]: {"model": "small"}},
    ),
    RESOLUTION,
)


class DepthDav1Params(Params, frozen=True):
    """Choices of Depth Anything v1."""

    old_names: ClassVar[dict[str, str]] = {"form": "variant", "side": "input_size"}

    model: Annotated[DepthAnything1, about("Size of the backbone, ViT-S, ViT-B or ViT-L")] = "small"
    variant: Annotated[Variant, about(VARIANT_HELP)] = "transformers"
    input_size: Annotated[int, between(126, 1036, INPUT_SIZE_HELP, step=14)] = 518


class DepthDav1(Annotator[DepthDav1Params]):
    """How near things are, near is white.

    Depth Anything v1. A1111's `depth_anything` and ComfyUI's `DepthAnythingPreprocessor` mean the large model. The
    network sees the picture as it was read; A1111 gives it red and blue swapped, which is not done here.
    """

    spec = Spec(
        id="depth_dav1",
        title="Depth Anything v1",
        kind=Kind.DEPTH,
        licence="Apache-2.0",
        commercial=True,
        source="Yang et al. 2024, arXiv:2401.10891; LiheYoung/Depth-Anything",
        aliases=(
            Alias("depth_anything", "a1111", {"model": "large", "variant": "original"}),
            Alias("DepthAnythingPreprocessor", "comfyui", {"model": "large"}, "Depth Anything", WIDGETS),
        ),
        consumers=CONSUMERS,
        weights=tuple(DEPTH_ANYTHING_1.values()),
        requires=("cv2", "torch"),
        input_size="original",
        bf16=True,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: DepthDav1Params) -> tuple[Weight, ...]:
        """Return the file of the chosen model and variant."""
        return (DEPTH_ANYTHING_1[params.model, params.variant],)

    def run(self, request: Request[DepthDav1Params]) -> ControlMap:
        """Return the disparity as values, and brought to black..white."""
        from .maps import depth
        from .nets import depth_anything

        params = request.params
        (weight,) = self.weights_for(params)
        build = depth_anything.Builder(1, params.model)
        values = depth_anything.estimate(request.images, request.size, weight, build, params.input_size, self.placement)
        shown = depth.render_disparity(values)
        return ControlMap(shown.images, shown.values, notes=shown.notes)

    def find_span(self, plane: Plane, params: DepthDav1Params) -> tuple[float, float]:
        """Range of a plane, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.find_span(plane)

    def render_span(self, values: Values, params: DepthDav1Params, span: tuple[float, float]) -> Images:
        """Maps of values in a range, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.render_disparity(values, span).images
