"""HED soft edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, switch
from ..core.params import Params, about
from .weights.hed_files import MODEL_HELP, WEIGHTS, Model
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from ..core.weights.record import Weight


WIDGETS = (switch("safe", "enable", "safe"), RESOLUTION)


class HedParams(Params, frozen=True):
    """Choices of HED soft edges."""

    model: Annotated[Model, about(MODEL_HELP)] = "bsds500"
    safe: Annotated[bool, about("Quantise to three levels, so that no hint of the picture hides between the edges")] = (
        False
    )


class Hed(Annotator[HedParams]):
    """Soft outlines of things, bright where an edge is likely.

    Holistically-nested edge detection: thick grey contours that keep the composition and leave the texture free. The
    name `hed` runs on the bundled weights; A1111's own `hed` means the controlnet weights, as its label `softedge_hed`
    does here.
    """

    spec = Spec(
        id="hed",
        title="HED soft edges",
        kind=Kind.SOFT_EDGES,
        licence="MIT (bsds500), Apache-2.0 (controlnet)",
        commercial=True,
        source="Xie and Tu 2015, arXiv:1504.06375; lllyasviel/ControlNet",
        aliases=(
            Alias("softedge_hed", "a1111", {"model": "controlnet"}),
            Alias("hed_safe", "a1111", {"model": "controlnet", "safe": True}),
            Alias("softedge_hedsafe", "a1111", {"model": "controlnet", "safe": True}),
            Alias("HEDPreprocessor", "comfyui", {"model": "controlnet", "safe": True}, "HED Soft-Edge Lines", WIDGETS),
            Alias("softedge_hed", "controlnet_aux", {"model": "controlnet"}),
            Alias("softedge_hedsafe", "controlnet_aux", {"model": "controlnet", "safe": True}),
            Alias("HEDdetector", "controlnet_aux", {"model": "controlnet"}),
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
        bf16=True,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: HedParams) -> tuple[Weight, ...]:
        """Return the file of the chosen model."""
        return (WEIGHTS[params.model],)

    def run(self, request: Request[HedParams]) -> ControlMap:
        """Return edge probabilities as values, before the safe steps, and as white on black."""
        from .maps import edges
        from .nets import hed

        values = hed.predict_edges(request.images, request.params.model, self.placement)
        shown = edges.quantise_safe(values) if request.params.safe else values
        return ControlMap(edges.to_rgb(edges.to_bytes(shown)), values)
