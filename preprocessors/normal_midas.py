"""Normals from the depth of MiDaS."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about, between
from .weights.depth_files import MIDAS, VARIANT_HELP, Variant

if TYPE_CHECKING:
    from ..core.weights.record import Weight

WIDGETS = (
    number("a", 2 * pi, 0.0, 5 * pi, "strength", step=0.01),
    number("bg_threshold", 0.1, 0, 1, "background_threshold", step=0.01),
    RESOLUTION,
)


class NormalMidasParams(Params, frozen=True):
    """Choices of normals from MiDaS."""

    old_names: ClassVar[dict[str, str]] = {"a": "strength", "background": "background_threshold", "form": "variant"}

    background_threshold: Annotated[
        float, between(0, 1, "Depth, from 0 (furthest) to 1, below which the map is flat background", step=0.01)
    ] = 0.4
    strength: Annotated[
        float, between(0, 15.71, "Length of the component towards the viewer: less is steeper", step=0.01)
    ] = 2 * pi
    variant: Annotated[Variant, about(VARIANT_HELP)] = "original"


class NormalMidas(Annotator[NormalMidasParams]):
    """Which way surfaces face, from the slope of MiDaS's depth, for the ControlNet 1.0 for normals.

    Red is towards the viewer, green up, blue left: the order that ControlNet learnt. ControlNets 1.1 for normals want
    `normal_bae`. The slope is that of the raw disparity, so `strength` belongs to this network's scale.
    """

    spec = Spec(
        id="normal_midas",
        title="Normals from MiDaS depth",
        kind=Kind.NORMALS,
        licence="MIT",
        commercial=True,
        source="Ranftl et al. 2021, arXiv:2103.13413; lllyasviel/ControlNet",
        aliases=(
            Alias("normal_map", "a1111"),
            Alias(
                "MiDaS-NormalMapPreprocessor",
                "comfyui",
                {"background_threshold": 0.1, "variant": "transformers"},
                "MiDaS Normal Map",
                WIDGETS,
            ),
        ),
        consumers=("control_sd15_normal",),
        weights=tuple(MIDAS.values()),
        requires=("cv2", "torch", "transformers.models.bit", "transformers.models.dpt"),
        values="rgb",
    )

    @classmethod
    def weights_for(cls, params: NormalMidasParams) -> tuple[Weight, ...]:
        """Return the file of the chosen variant."""
        return (MIDAS[params.variant],)

    def run(self, request: Request[NormalMidasParams]) -> ControlMap:
        """Return unit normals (x left, y up, z to the viewer) as values, and their colours."""
        from .maps import depth
        from .nets import dpt_hybrid

        params = request.params
        disparity = dpt_hybrid.estimate_disparity(request.images, params.variant, self.placement)
        vectors = depth.compute_normals(disparity, params.strength, params.background_threshold)
        return ControlMap(depth.render_normals(vectors), vectors, notes=depth.flat_normal_notes(disparity))
