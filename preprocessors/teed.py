"""TEED soft edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about, between
from .weights.teed_files import MODEL_HELP, WEIGHTS, Model
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from ..core.weights.record import Weight

WIDGETS = (number("safe_steps", 2, 0, 10, "safe_steps"), RESOLUTION)


class TeedParams(Params, frozen=True):
    """Choices of TEED soft edges."""

    old_choices: ClassVar[dict[str, dict[str, str]]] = {"model": {"7": "default", "5": "controlnet_aux"}}

    safe_steps: Annotated[
        int, between(0, 10, "Levels above black that the map is quantised to; 0 leaves it smooth")
    ] = 2
    model: Annotated[Model, about(MODEL_HELP)] = "default"


class Teed(Annotator[TeedParams]):
    """Soft outlines finer than HED's, from a network of 59 thousand numbers.

    `values` are edge probabilities before the safe steps.
    """

    spec = Spec(
        id="teed",
        title="TEED soft edges",
        kind=Kind.SOFT_EDGES,
        licence="MIT",
        commercial=True,
        source="Soria et al. 2023, arXiv:2308.06468",
        aliases=(
            Alias("softedge_teed", "a1111"),
            Alias("te_hed", "a1111"),
            Alias("TEEDPreprocessor", "comfyui", {}, "TEEDPreprocessor", WIDGETS),
            Alias("TEEDdetector", "controlnet_aux", {"model": "controlnet_aux"}),
        ),
        consumers=(
            "control_v11p_sd15_softedge",
            "control_sd15_hed",
            "SDXL union, type 2",
            *list_controls("soft edge"),
        ),
        weights=tuple(WEIGHTS.values()),
        requires=("cv2", "torch"),
        multiple=64,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: TeedParams) -> tuple[Weight, ...]:
        """Return the file of the chosen model."""
        return (WEIGHTS[params.model],)

    def run(self, request: Request[TeedParams]) -> ControlMap:
        """Return edge probabilities as values, and quantised as white on black."""
        from .maps import edges
        from .nets import teed

        values = teed.predict_edges(request.images, WEIGHTS[request.params.model], self.placement)
        steps = request.params.safe_steps
        shown = edges.quantise_safe(values, steps) if steps else values
        return ControlMap(edges.to_rgb(edges.to_bytes(shown)), values)
