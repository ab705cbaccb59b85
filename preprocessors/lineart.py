"""Line drawings of photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, switch
from ..core.params import Params, about
from .weights.lineart_files import LINEART
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from ..core.weights.record import Weight
    from .weights.lineart_files import Detail

WIDGETS = (switch("coarse", "disable", "coarse"), RESOLUTION)


class LineartParams(Params, frozen=True):
    """How much is drawn."""

    coarse: Annotated[bool, about("Fewer and bolder lines, with weights of their own")] = False

    @property
    def detail(self) -> Detail:
        """Which of the two files draws."""
        return "coarse" if self.coarse else "fine"


class Lineart(Annotator[LineartParams]):
    """White lines where a draughtsman would draw, from photographs or pictures of any style.

    The network evens out every feature over the whole picture, so a crop of a picture is drawn a little differently
    from the same part of the whole. Sides are edge-padded to the next multiple of 4 (A1111 and ComfyUI: 64, which
    changes pictures of other sizes everywhere, faintly). `values` is 1 on lines.
    """

    spec = Spec(
        id="lineart",
        title="Line art (realistic)",
        kind=Kind.LINES,
        licence="MIT",
        commercial=True,
        source="Chan et al. 2022, arXiv:2203.12691 (Informative Drawings)",
        aliases=(
            Alias("lineart_realistic", "a1111"),
            Alias("lineart_coarse", "a1111", {"coarse": True}),
            Alias("LineArtPreprocessor", "comfyui", {}, "Realistic Lineart", WIDGETS),
            Alias("lineart_realistic", "controlnet_aux"),
            Alias("lineart_coarse", "controlnet_aux", {"coarse": True}),
            Alias("LineartDetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_lineart",
            "TheMistoAI/MistoLine",
            "SDXL union, type 3",
            *list_controls("lineart"),
        ),
        weights=tuple(LINEART.values()),
        requires=("cv2", "torch"),
        multiple=4,
        bf16=True,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: LineartParams) -> tuple[Weight, ...]:
        """Return the file of the chosen detail."""
        return (LINEART[params.detail],)

    def run(self, request: Request[LineartParams]) -> ControlMap:
        """Return the drawing inverted: white lines on black, and their strength as values."""
        from .maps import edges
        from .nets import lineart

        paper = lineart.draw_lines(request.images, request.params.detail, self.placement)
        return ControlMap(edges.to_rgb(edges.invert_drawing(paper)), 1 - paper)
