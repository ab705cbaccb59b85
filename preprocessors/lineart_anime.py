"""Line drawings of anime pictures."""

from __future__ import annotations

from typing import Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params, about
from .weights.lineart_files import ANIME, Fit
from .weights.transformer_controls import list_controls


class LineartAnimeParams(Params, frozen=True):
    """How the picture is brought to the network's sizes."""

    fit: Annotated[Fit, about("Make sides multiples of 256 by stretching as every host does, or by edge padding")] = (
        "stretch"
    )


class LineartAnime(Annotator[LineartAnimeParams]):
    """White lines of an anime picture, as if it were the sketch it was painted over.

    The network takes sides that are multiples of 256; pictures that have them (512 x 768, 1024 x 1024) are seen as they
    are. Others are stretched, and the map is brought back corner on corner, so that it is aligned with the picture.
    That is what the network was trained on, and it keeps the statistics of the picture, which decide about every line.
    `pad` leaves proportions and sharpness alone instead, and lets up to 255 repeated rows and columns take part in the
    statistics. `values` is 1 on lines.
    """

    spec = Spec(
        id="lineart_anime",
        title="Line art (anime)",
        kind=Kind.LINES,
        licence="MIT",
        commercial=True,
        source="Xiang et al. 2022, arXiv:2104.05703 (Anime2Sketch)",
        aliases=(
            Alias("AnimeLineArtPreprocessor", "comfyui", {}, "Anime Lineart", (RESOLUTION,)),
            Alias("LineartAnimeDetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15s2_lineart_anime",
            "SDXL union, type 3",
            *list_controls("lineart"),
        ),
        weights=(ANIME,),
        requires=("cv2", "torch"),
        bf16=True,
        values="scalar",
    )

    def run(self, request: Request[LineartAnimeParams]) -> ControlMap:
        """Return the drawing inverted: white lines on black, and their strength as values."""
        from .maps import edges
        from .nets import lineart_anime

        paper = lineart_anime.draw_lines(request.images, request.params.fit, self.placement)
        return ControlMap(edges.to_rgb(edges.invert_drawing(paper)), 1 - paper)
