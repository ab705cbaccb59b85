"""PiDiNet soft edges."""

from __future__ import annotations

from typing import Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, switch
from ..core.params import Params, about
from .weights.pidinet_files import LICENCE, WEIGHT
from .weights.transformer_controls import list_controls

WIDGETS = (switch("safe", "enable", "safe"), RESOLUTION)


class PidinetParams(Params, frozen=True):
    """Choices of PiDiNet soft edges."""

    safe: Annotated[bool, about("Quantise to three levels, so that no hint of the picture hides between the edges")] = (
        False
    )


class Pidinet(Annotator[PidinetParams]):
    """Soft outlines of things, thinner and with less texture than HED's.

    Pixel difference networks: a small network, whose `safe` maps are what the softedge ControlNet's authors recommend
    by default. Its weights may be used for research only.
    """

    spec = Spec(
        id="pidinet",
        title="PiDiNet soft edges",
        kind=Kind.SOFT_EDGES,
        licence=LICENCE,
        commercial=False,
        source="Su et al. 2021, arXiv:2108.07009; hellozhuo/pidinet",
        aliases=(
            Alias("softedge_pidinet", "a1111"),
            Alias("pidinet_safe", "a1111", {"safe": True}),
            Alias("softedge_pidisafe", "a1111", {"safe": True}),
            Alias("PiDiNetPreprocessor", "comfyui", {"safe": True}, "PiDiNet Soft-Edge Lines", WIDGETS),
            Alias("softedge_pidinet", "controlnet_aux"),
            Alias("softedge_pidsafe", "controlnet_aux", {"safe": True}),
            Alias("PidiNetDetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_softedge",
            "SDXL union, type 2",
            *list_controls("soft edge"),
        ),
        weights=(WEIGHT,),
        requires=("cv2", "torch"),
        multiple=64,
        bf16=True,
        values="scalar",
    )

    def run(self, request: Request[PidinetParams]) -> ControlMap:
        """Return edge probabilities as values, before the safe steps, and as white on black."""
        from .maps import edges
        from .nets import pidinet

        values = pidinet.predict_edges(request.images, self.placement)
        shown = edges.quantise_safe(values) if request.params.safe else values
        return ControlMap(edges.to_rgb(edges.to_bytes(shown)), values)
