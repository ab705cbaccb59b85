"""Sketches for the T2I-Adapter made of PiDiNet edges."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params
from .weights.pidinet_files import LICENCE, WEIGHT


class SketchPidinet(Annotator[Params]):
    """Pen strokes where an edge is more likely than not, white on black.

    PiDiNet's edge probabilities cut at one half, which is what the sketch T2I-Adapters were trained with.
    """

    spec = Spec(
        id="sketch_pidinet",
        title="Sketch from PiDiNet",
        kind=Kind.SCRIBBLE,
        licence=LICENCE,
        commercial=False,
        source="Su et al. 2021, arXiv:2108.07009; TencentARC/T2I-Adapter",
        aliases=(Alias("pidinet_sketch", "a1111"), Alias("t2ia_sketch_pidi", "a1111")),
        consumers=("t2iadapter_sketch_sd15v2", "TencentARC/t2i-adapter-sketch-sdxl-1.0"),
        weights=(WEIGHT,),
        requires=("cv2", "torch"),
        multiple=64,
        smooth=False,
        bf16=True,
        values="scalar",
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Return the strokes, and the edge probabilities behind them as values."""
        from .maps import edges
        from .nets import pidinet

        values = pidinet.predict_edges(request.images, self.placement)
        return ControlMap(edges.to_rgb(edges.to_bytes((values > 0.5).astype(values.dtype))), values)
