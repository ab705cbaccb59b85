"""The node that fetches weights: running it with its switch on is the consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.weights.store import store
from ..preprocessors import registry
from . import host
from .annotators import PREFIX

if TYPE_CHECKING:
    from ..core.weights.record import Weight
    from .tools import Inputs


class FetchWeights:
    """Shows a weights file's size, licence and place, and downloads it when `download` is on."""

    TITLE = f"Fetch weights ({PREFIX})"
    CATEGORY = f"{PREFIX}/Tools"
    RETURN_TYPES, RETURN_NAMES, FUNCTION, OUTPUT_NODE = ("STRING",), ("report",), "fetch", True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """File and consent."""
        consent = {"default": False, "tooltip": "Download it, under its licence; off only shows the record"}
        return {"required": {"weights": (list(records()), {}), "download": ("BOOLEAN", consent)}}

    @classmethod
    def IS_CHANGED(cls, weights: str | None = None, download: bool | None = None) -> float:
        """Run every time: the file may have gone."""
        return float("nan")

    def fetch(self, weights: str, download: bool) -> dict[str, Any]:
        """Fetch and verify; raises FetchFailed, WeightsMissing."""
        weight = records()[weights]
        path = store().find(weight)
        if path is None and download:
            path = store().fetch(weight, _progress())
        pinned, size = store().pinned(weight), store().shown(weight).megabytes
        report = f"{weight.id}: {size}, licence {weight.licence}, commercial use: "
        report += f"{'yes' if weight.commercial else 'no'}{'; ' + pinned if pinned else ''}. "
        report += str(path or "Not on this machine; turn download on.")
        return {"ui": {"text": [report]}, "result": (report,)}


def _progress() -> Any:
    tick: Any = None
    seen = 0

    def told(done: int, size: int) -> None:
        nonlocal seen, tick
        host.check_interrupted()
        tick = tick or host.progress(size)
        tick(done - seen)
        seen = done

    return told


def records() -> dict[str, Weight]:
    """Weights that can be fetched, by id."""
    every = [weight for annotator in registry for weight in annotator.spec.weights]
    return {weight.id: weight for weight in every if weight.repo}


def nodes() -> dict[str, type]:
    """Class name → node."""
    return {f"{PREFIX}FetchWeights": FetchWeights}
