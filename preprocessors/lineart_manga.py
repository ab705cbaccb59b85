"""Structural lines of manga."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params
from .weights.lineart_files import MANGA
from .weights.transformer_controls import list_controls

TITLE = "Manga Lineart (aka lineart_anime_denoise)"


class LineartMangaParams(Params, frozen=True):
    """There is nothing to choose."""


class LineartManga(Annotator[LineartMangaParams]):
    """White lines of a manga page or drawing, without its screen tones and hatching.

    The map is as large as asked for; ComfyUI's node works at the next multiple of 256 and returns that. `values` is 1
    on lines.
    """

    spec = Spec(
        id="lineart_manga",
        title="Line art (manga)",
        kind=Kind.LINES,
        licence=MANGA.licence,
        commercial=False,
        source="Li, Liu and Wong 2017, Deep extraction of manga structural lines; ljsabc/MangaLineExtraction_PyTorch",
        aliases=(
            Alias("lineart_anime_denoise", "a1111"),
            Alias("Manga2Anime_LineArt_Preprocessor", "comfyui", {}, TITLE, (RESOLUTION,)),
        ),
        consumers=(
            "control_v11p_sd15s2_lineart_anime",
            "SDXL union, type 3",
            *list_controls("lineart"),
        ),
        weights=(MANGA,),
        requires=("cv2", "torch"),
        multiple=64,
        bf16=True,
        values="scalar",
    )

    def run(self, request: Request[LineartMangaParams]) -> ControlMap:
        """Return white lines on black, and their strength as values."""
        from .maps import edges
        from .nets import manga_line

        values = manga_line.extract_lines(request.images, self.placement)
        return ControlMap(edges.to_rgb(edges.to_bytes(values)), values)
