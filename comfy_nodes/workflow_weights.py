"""The node that fetches every weights file that the nodes of the queued workflow need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from . import host, inputs
from .changes import ALWAYS
from .inputs import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..preprocessors.weights.catalogue import PlannedRun
    from .tools import Inputs


class FetchWorkflow:
    """Fetches every weights file that the nodes of this workflow need, with the choices that they are set to.

    It only lists them, with sizes and licences, until the switch is on. Put it before the first annotator (the picture
    goes through it) to let it run before them, or queue it alone.
    """

    TITLE = host.FETCH_NODES[0]
    CATEGORY = f"{PREFIX}/Tools"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("STRING", "IMAGE"), ("report", "image"), "fetch"
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("download models", "missing models", "weights")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Consent as for one file, what else may be chosen there, and a picture that is handed on."""
        from ..preprocessors.operations.weights_fetch import WeightsFetch

        consent = WeightsFetch.spec.consent
        required = [(consent.name, ("BOOLEAN", {"default": False, "tooltip": consent.help}))] if consent else []
        switches = (field for field in WeightsFetch.fields() if field.kind == "bool" and field.name != "all")
        fields = {field.name: inputs.of_field(field, field.default) for field in switches}
        image: inputs.Input = ("IMAGE", {"tooltip": "Handed on as it is, so that what follows runs after this node"})
        hidden: dict[str, Any] = {"prompt": "PROMPT"}
        return {"required": dict(required), "optional": {"image": image, **fields}, "hidden": hidden}

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        """Run every time: the answer lies outside the graph."""
        return ALWAYS

    def fetch(self, prompt: Mapping[str, Any] | None = None, image: Any = None, **given: Any) -> Any:
        """Fetch what is missing; one failure does not stop the others, and is raised at the end."""
        from ..preprocessors.operations.weights_fetch import fetch_needed

        report = fetch_needed(_list_runs(prompt or {}), given, host.HOOKS)
        text = report.text if report else "no node of this workflow needs weights that do not come with this pack"
        return {"ui": {"text": [text]}, "result": (text, image)}


def _list_runs(prompt: Mapping[str, Any]) -> Iterator[PlannedRun]:
    """What the nodes of a prompt will run."""
    from ..preprocessors.weights.catalogue import PlannedRun
    from .mappings import NODE_CLASS_MAPPINGS

    for number, entry in prompt.items():
        node, stored = NODE_CLASS_MAPPINGS.get(entry.get("class_type", "")), entry.get("inputs", {})
        if hasattr(node, "list_runs"):
            linked = {name for name, value in stored.items() if isinstance(value, list)}
            known = {name: value for name, value in stored.items() if name not in linked}
            yield PlannedRun(f"node {number}", partial(node.list_runs, known), linked)


def nodes() -> dict[str, type]:
    """Class name → node."""
    return {f"{PREFIX}FetchWorkflow": FetchWorkflow}
