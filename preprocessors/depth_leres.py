"""Depth by LeReS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number, switch
from ..core.params import Params, about, between
from .weights.depth_files import CONSUMERS
from .weights.leres_files import RES101

if TYPE_CHECKING:
    from ..core.images.types import Images, Plane, Values
    from ..core.weights.record import Weight

WIDGETS = (
    number("rm_nearest", 0.0, 0, 100, "remove_near", step=0.01),
    number("rm_background", 0.0, 0, 100, "remove_background", step=0.01),
    switch("boost", "disable"),
    RESOLUTION,
)
BOOSTED = "LeReS++ (LeReS merged from patches by a second network)"


class LeresParams(Params, frozen=True):
    """Choices of LeReS depth."""

    old_names: ClassVar[dict[str, str]] = {"parity": "reference_compat"}

    remove_near: Annotated[float, between(0, 100, "Nearest percent of the depth range that turn white", step=0.1)] = 0.0
    remove_background: Annotated[
        float, between(0, 100, "Farthest percent of the depth range that turn black", step=0.1)
    ] = 0.0
    reference_compat: Annotated[
        bool, about("As A1111 and ComfyUI: the network gets red and blue swapped and 0..255 not divided by 255")
    ] = False


class DepthLeres(Annotator[LeresParams]):
    """Depth of the scene, near things bright, from LeReS.

    Strong on interiors and on large shapes. The picture is fed as the network was trained; other packs swap its
    channels and leave out a division by 255, which `reference_compat` repeats. Boosting (`depth_leres++`) is not
    offered: it needs a second network, for academic use only; its names give LeReS without boosting. Values are
    distances of unknown scale and shift, larger is farther.
    """

    spec = Spec(
        id="depth_leres",
        title="LeReS depth",
        kind=Kind.DEPTH,
        licence="AdelaiDepth, non-commercial",
        commercial=False,
        source="Yin et al. 2021, arXiv:2012.09365; aim-uofa/AdelaiDepth",
        aliases=(
            Alias("depth_leres++", "a1111", instead=BOOSTED),
            Alias(
                "LeReS-DepthMapPreprocessor",
                "comfyui",
                title="LeReS Depth Map (enable boost for leres++)",
                widgets=WIDGETS,
            ),
            Alias("depth_leres++", "controlnet_aux", instead=BOOSTED),
            Alias("LeresDetector", "controlnet_aux"),
        ),
        consumers=CONSUMERS,
        weights=(RES101,),
        requires=("cv2", "torch"),
        bf16=True,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: LeresParams) -> tuple[Weight, ...]:
        """Return the one file."""
        return (RES101,)

    def run(self, request: Request[LeresParams]) -> ControlMap:
        """Return distances as values, and nearness as grey."""
        import numpy as np

        from .maps import depth, edges
        from .nets import leres

        params = request.params
        values = leres.estimate_distance(request.images, self.placement, reference_compat=params.reference_compat)
        maps = np.stack([leres.render_nearness(one, params.remove_near, params.remove_background) for one in values])
        flat = [index for index, one in enumerate(values) if depth.is_flat(one)]
        return ControlMap(edges.to_rgb(maps), values, notes=depth.flat_notes(flat))

    def find_span(self, plane: Plane, params: LeresParams) -> tuple[float, float]:
        """Range of a plane, as `core.video.redrawing.SpanRendering`."""
        from .maps import depth

        return depth.find_span(plane)

    def render_span(self, values: Values, params: LeresParams, span: tuple[float, float]) -> Images:
        """Maps of values in a range, as `core.video.redrawing.SpanRendering`."""
        import numpy as np

        from .maps import edges
        from .nets import leres

        near, background = params.remove_near, params.remove_background
        return edges.to_rgb(np.stack([leres.render_nearness(one, near, background, span) for one in values]))
