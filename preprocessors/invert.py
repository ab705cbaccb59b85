"""Negative of a picture."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Params, Request, Spec


class Invert(Annotator[Params]):
    """White lines on black from a drawing in black on white (each channel is 255 minus itself)."""

    spec = Spec(
        id="invert",
        requires=(),
        title="Invert",
        kind=Kind.LINES,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="Mikubill/sd-webui-controlnet",
        aliases=(Alias("invert (from white bg & black line)", "a1111"),),
        consumers=(
            "control_v11p_sd15_lineart",
            "control_v11p_sd15s2_lineart_anime",
            "control_v11p_sd15_scribble",
            "TheMistoAI/MistoLine",
            "SDXL union, type 3",
        ),
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Negatives."""
        return ControlMap(255 - request.images)
