"""Scribbles made of PiDiNet soft edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, switch
from ..core.params import Params, about
from .weights.pidinet_files import LICENCE, WEIGHT
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TITLE = "Scribble PiDiNet Lines"
WIDGETS = (switch("safe", "enable"), RESOLUTION)


class ScribblePidinetParams(Params, frozen=True):
    """Choices of scribbles from PiDiNet."""

    old_names: ClassVar[dict[str, str]] = {"parity": "reference_compat"}

    reference_compat: Annotated[
        bool, about("As ComfyUI: edges are quantised before, and strokes thickened twice, which makes fat blobs")
    ] = False


class ScribblePidinet(Annotator[ScribblePidinetParams]):
    """Hand-drawn looking strokes of even width, white on black, along PiDiNet's edges.

    The ridges of the soft edges, thickened once, without quantising them before, as A1111 does. ComfyUI's node
    quantises by default and thickens twice, so that neighbouring strokes grow together; `reference_compat` repeats
    that.
    """

    spec = Spec(
        id="scribble_pidinet",
        title="Scribble from PiDiNet",
        kind=Kind.SCRIBBLE,
        licence=LICENCE,
        commercial=False,
        source="Su et al. 2021, arXiv:2108.07009; hellozhuo/pidinet",
        aliases=(
            Alias("pidinet_scribble", "a1111"),
            Alias("Scribble_PiDiNet_Preprocessor", "comfyui", {}, TITLE, WIDGETS),
            Alias("scribble_pidsafe", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_scribble",
            "control_sd15_scribble",
            "xinsir/controlnet-scribble-sdxl-1.0",
            "SDXL union, type 2",
            *list_controls("scribble"),
        ),
        weights=(WEIGHT,),
        requires=("cv2", "torch"),
        smooth=False,
        values="scalar",
    )

    def run(self, request: Request[ScribblePidinetParams]) -> ControlMap:
        """Return the strokes, and the edge probabilities behind them as values."""
        import numpy as np

        from .maps import edges
        from .nets import pidinet

        def strokes(soft: NDArray[np.float32]) -> NDArray[np.uint8]:
            if not request.params.reference_compat:
                return edges.draw_scribble(edges.to_bytes(soft))
            return edges.draw_scribble(edges.draw_scribble(edges.to_bytes(edges.quantise_safe(soft))))

        values = pidinet.predict_edges(request.images, self.placement)
        return ControlMap(edges.to_rgb(np.stack([strokes(one) for one in values])), values)
