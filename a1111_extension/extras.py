"""Annotators in the Extras tab: every picture that goes through it, also of a folder, becomes a map."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .hosts import get_host
from .hosts.a1111 import TAB

NOTHING = "None"


def register() -> dict[str, type]:
    """The script that the host looks for."""
    base = import_module("modules.scripts_postprocessing").ScriptPostprocessing
    return {"UnderdrawingExtras": type("UnderdrawingExtras", (Extras, base), {"__module__": __name__})}


class Extras:
    """A choice of annotator and a resolution."""

    name = TAB
    order = 20000

    def ui(self) -> dict[str, Any]:
        """Widgets by the names of their arguments."""
        from ..serving.schema import list_choices

        gradio = import_module("gradio")
        with gradio.Accordion(TAB, open=False):
            choices = [NOTHING, *list_choices()]
            annotator = gradio.Dropdown(choices, value=NOTHING, label="Control map", elem_id="extras_underdrawing")
            resolution = gradio.Slider(0, 2048, 512, step=8, label="Map resolution (0: as the picture)")
        return {"annotator": annotator, "resolution": resolution}

    def process(self, pp: Any, annotator: str = NOTHING, resolution: float = 512) -> None:
        """Replace the picture by its map. Raises UnderdrawingError, which the host shows."""
        if annotator and annotator != NOTHING:
            from ..serving.annotate import make_map

            pp.image = make_map(pp.image, annotator, int(resolution), get_host())
            pp.info[TAB] = f"{annotator}, resolution {int(resolution)}"
