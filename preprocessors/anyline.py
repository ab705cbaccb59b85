"""AnyLine: soft edges and thin lines in one map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import Widget, number
from ..core.params import Params, about, between
from .weights.lineart_files import ANIME, LINEART, MANGA, Lines
from .weights.teed_files import MTEED
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from ..core.images.types import Values
    from ..core.weights.record import Weight

LINE_WEIGHTS: dict[Lines, tuple[Weight, ...]] = {
    "lineart_standard": (),
    "lineart": (LINEART["fine"],),
    "lineart_anime": (ANIME,),
    "lineart_manga": (MANGA,),
}
SIGMA, THRESHOLD = 2.0, 3.0
"""Parameters of the standard line art that is merged."""
THEIR_NAMES: dict[str, Lines] = {
    "lineart_standard": "lineart_standard",
    "lineart_realisitic": "lineart",
    "lineart_anime": "lineart_anime",
    "manga_line": "lineart_manga",
}
"""Choices of the ComfyUI node, misspelt as there -> ours."""

WIDGETS = (
    Widget(
        name="merge_with_lineart",
        default="lineart_standard",
        choices=tuple(THEIR_NAMES),
        means={theirs: {"merge_with": ours} for theirs, ours in THEIR_NAMES.items()},
    ),
    number("resolution", 1280, 64, 16384, step=8),
    number("lineart_lower_bound", 0.0, 0, 1, "lower_bound", step=0.01),
    number("lineart_upper_bound", 1.0, 0, 1, "upper_bound", step=0.01),
    number("object_min_size", 36, 1, 16384, "object_min_size"),
    Widget(
        name="object_connectivity",
        default=1,
        low=1,
        high=16384,
        step=1,
        field="object_connectivity",
        means={3: {"object_connectivity": 2}},
    ),
)


class AnylineParams(Params, frozen=True):
    """What the soft edges are merged with, and which of its lines are kept."""

    merge_with: Annotated[
        Lines, about("What draws the thin lines; all but lineart_standard need weights of their own")
    ] = "lineart_standard"
    safe_steps: Annotated[int, between(0, 10, "Levels above black of the soft edges; 0 leaves them smooth")] = 2
    lower_bound: Annotated[float, between(0, 1, "Fainter lines are left out", step=0.01)] = 0.0
    upper_bound: Annotated[float, between(0, 1, "Brighter lines are left out", step=0.01)] = 1.0
    object_min_size: Annotated[
        int,
        between(1, 16384, "Smaller specks are left out; counted three times a pixel as the original does: 36 is 12"),
    ] = 36
    object_connectivity: Annotated[
        int, between(1, 2, "Pixels are joined to specks sideways (1) or diagonally too (2)")
    ] = 1


class Anyline(Annotator[AnylineParams]):
    """Soft edges of TEED's sister MTEED with thin lines laid over them, for MistoLine.

    Blended as fractions, 1 - (1 - edges)(1 - lines), as TheMisto's own node does; A1111 and controlnet_aux blend 8-bit
    numbers, which wrap around, and that is not copied. It was made for a resolution of 1280. `values` is the blend
    before it is rounded to 8 bits.
    """

    spec = Spec(
        id="anyline",
        title="AnyLine",
        kind=Kind.LINES,
        licence="MIT",
        commercial=True,
        source="TheMistoAI/ComfyUI-Anyline; Soria et al. 2023, arXiv:2308.06468",
        aliases=(
            Alias("softedge_anyline", "a1111"),
            Alias("AnyLineArtPreprocessor_aux", "comfyui", {}, "AnyLine Lineart", WIDGETS),
            Alias("AnylineDetector", "controlnet_aux"),
        ),
        consumers=(
            "TheMistoAI/MistoLine",
            *list_controls("soft edge"),
        ),
        weights=(MTEED, *(weight for weights in LINE_WEIGHTS.values() for weight in weights)),
        requires=("cv2", "torch"),
        values="scalar",
    )

    @classmethod
    def weights_for(cls, params: AnylineParams) -> tuple[Weight, ...]:
        """Return MTEED's file and the one of what draws the lines."""
        return (MTEED, *LINE_WEIGHTS[params.merge_with])

    def run(self, request: Request[AnylineParams]) -> ControlMap:
        """Return the blend, white on black, and as values."""
        import numpy as np

        from .maps import anyline, edges

        params = request.params
        bounds = (params.lower_bound, params.upper_bound)
        lines = anyline.filter_lines(
            self._thin_lines(request), bounds, params.object_min_size, params.object_connectivity
        )
        values = anyline.blend_screen(self._soft_edges(request), lines)
        return ControlMap(edges.to_rgb(np.rint(values * np.float32(255)).astype(np.uint8)), values)

    def _soft_edges(self, request: Request[AnylineParams]) -> Values:
        """Soft edges of MTEED, float32 [B, H, W] in 0..1, quantised unless safe_steps is 0."""
        from .maps import edges
        from .maps.anyline import to_fractions
        from .nets import teed

        values, steps = teed.predict_edges(request.images, MTEED, self.placement), request.params.safe_steps
        return to_fractions(edges.to_bytes(edges.quantise_safe(values, steps) if steps else values))

    def _thin_lines(self, request: Request[AnylineParams]) -> Values:
        """Lines float32 [B, H, W] in 0..1."""
        import numpy as np

        from .maps import edges, filters
        from .maps.anyline import to_fractions
        from .nets import lineart, lineart_anime, manga_line

        images, placement = request.images, self.placement
        match request.params.merge_with:
            case "lineart_standard":
                levels = filters.apply_each(
                    images, lambda image: filters.extract_standard_lines(image, SIGMA, THRESHOLD)
                )
                return to_fractions(levels.astype(np.uint8))
            case "lineart_manga":
                return to_fractions(edges.to_bytes(manga_line.extract_lines(images, placement)))
            case "lineart":
                return to_fractions(edges.invert_drawing(lineart.draw_lines(images, "fine", placement)))
            case "lineart_anime":
                return to_fractions(edges.invert_drawing(lineart_anime.draw_lines(images, "stretch", placement)))
