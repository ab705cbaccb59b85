"""M-LSD straight lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about, between
from .weights.mlsd_files import (
    CHECKPOINT_HELP,
    CONTROLNET,
    MODEL_HELP,
    UPSAMPLING_HELP,
    WEIGHTS,
    Checkpoint,
    Model,
    Upsampling,
)
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.images.geometry import Size
    from ..core.images.types import Images
    from ..core.weights.record import Weight
    from .maps.mlsd_lines import Segments


WIDGETS = (
    number("score_threshold", 0.1, 0.01, 2.0, "score_threshold", step=0.01),
    number("dist_threshold", 0.1, 0.01, 20.0, "distance_threshold", step=0.01),
    RESOLUTION,
)


class MlsdParams(Params, frozen=True):
    """Choices of straight lines."""

    model: Annotated[Model, about(MODEL_HELP)] = "large"
    score_threshold: Annotated[
        float, between(0.01, 2.0, "Probability a line must exceed; lower draws more, 1 and above nothing", step=0.01)
    ] = 0.1
    distance_threshold: Annotated[
        float, between(0.01, 20.0, "Length a line must exceed, in steps of two pixels of the map", step=0.01)
    ] = 0.1
    checkpoint: Annotated[Checkpoint, about(CHECKPOINT_HELP)] = "bundled"
    upsampling: Annotated[Upsampling, about(UPSAMPLING_HELP)] = "port"


class Mlsd(Annotator[MlsdParams]):
    """Straight lines of buildings, rooms and furniture, one pixel wide, white on black.

    Mobile line segment detection: at most 200 segments, by confidence; curves and texture leave no trace. A picture
    without a line gives a black map and a note. Both networks come with this package. With upsampling=original the
    ends of lines lie three times as close to the truth (0.7 px in place of 2.3 on rendered boxes of 512 x 512); port
    gives the lines that other software gives. Runs in float32 by default: in bfloat16 it is two to four times as fast,
    but one line in eight ends more than a pixel elsewhere or is another.
    """

    spec = Spec(
        id="mlsd",
        title="M-LSD straight lines",
        kind=Kind.LINES,
        licence="Apache-2.0",
        commercial=True,
        source="Gu et al. 2022, arXiv:2106.00186; lhwcv/mlsd_pytorch",
        aliases=(
            Alias("M-LSDPreprocessor", "comfyui", {}, "M-LSD Lines", WIDGETS),
            Alias("MLSDdetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_mlsd",
            "control_sd15_mlsd",
            "SDXL union, type 3",
            *list_controls("mlsd"),
        ),
        weights=(*WEIGHTS.values(), *CONTROLNET.values()),
        requires=("cv2", "torch"),
        multiple=64,
        smooth=False,
    )

    @classmethod
    def weights_for(cls, params: MlsdParams) -> tuple[Weight, ...]:
        """Return the file of the chosen model."""
        return ((WEIGHTS if params.checkpoint == "bundled" else CONTROLNET)[params.model],)

    def run(self, request: Request[MlsdParams]) -> ControlMap:
        """Return the lines drawn at the map's size, and a note on pictures that have none."""
        lines = self.find_lines(request)
        empty = [str(index + 1) for index, found in enumerate(lines) if not len(found)]
        notes = (f"no line was found in picture {', '.join(empty)}: the map is black",) if empty else ()
        return ControlMap(self.draw_lines(lines, request.size), notes=notes)

    def find_lines(self, request: Request[MlsdParams]) -> list[Segments]:
        """Segments of each picture, as `core.tiling.ways.LineDrawing`."""
        from .nets import mlsd

        params = request.params
        return mlsd.detect_segments(
            request.images,
            params.model,
            params.score_threshold,
            params.distance_threshold,
            self.placement,
            checkpoint=params.checkpoint,
            original=params.upsampling == "original",
        )

    def draw_lines(self, lines: Sequence[Segments], size: Size) -> Images:
        """Maps of segments, as `core.tiling.ways.LineDrawing`."""
        from .maps import mlsd_lines

        return mlsd_lines.render_segments(lines, size)
