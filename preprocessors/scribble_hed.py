"""Scribbles made of HED soft edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, switch
from ..core.params import Params, about
from .weights.hed_files import MODEL_HELP, WEIGHTS, Model
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from ..core.weights.record import Weight


TITLE = "Fake Scribble Lines (aka scribble_hed)"
WIDGETS = (switch("safe", "enable"), RESOLUTION)


class ScribbleHedParams(Params, frozen=True):
    """Choices of scribbles from HED."""

    model: Annotated[Model, about(MODEL_HELP)] = "bsds500"


class ScribbleHed(Annotator[ScribbleHedParams]):
    """Hand-drawn looking strokes of even width, white on black.

    The ridges of HED's soft edges, thickened. The edges are not quantised before: ComfyUI's and controlnet_aux's "safe"
    variants do that and give thicker blobs than these strokes. The name `scribble_hed` runs on the bundled weights; the
    hosts' own `scribble_hed` means the controlnet weights, as `fake_scribble` does here.
    """

    spec = Spec(
        id="scribble_hed",
        title="Scribble from HED",
        kind=Kind.SCRIBBLE,
        licence="MIT (bsds500), Apache-2.0 (controlnet)",
        commercial=True,
        source="Xie and Tu 2015, arXiv:1504.06375; lllyasviel/ControlNet",
        aliases=(
            Alias("fake_scribble", "a1111", {"model": "controlnet"}),
            Alias("FakeScribblePreprocessor", "comfyui", {"model": "controlnet"}, TITLE, WIDGETS),
            Alias("scribble_hedsafe", "controlnet_aux", {"model": "controlnet"}),
        ),
        consumers=(
            "control_v11p_sd15_scribble",
            "control_sd15_scribble",
            "xinsir/controlnet-scribble-sdxl-1.0",
            "SDXL union, type 2",
            *list_controls("scribble"),
        ),
        weights=tuple(WEIGHTS.values()),
        requires=("cv2", "torch"),
        smooth=False,
        bf16=True,
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: ScribbleHedParams) -> tuple[Weight, ...]:
        """Return the file of the chosen model."""
        return (WEIGHTS[params.model],)

    def run(self, request: Request[ScribbleHedParams]) -> ControlMap:
        """Return the strokes, and the edge probabilities behind them as values."""
        import numpy as np

        from .maps import edges
        from .nets import hed

        values = hed.predict_edges(request.images, request.params.model, self.placement)
        strokes = np.stack([edges.draw_scribble(one) for one in edges.to_bytes(values)])
        return ControlMap(edges.to_rgb(strokes), values)
