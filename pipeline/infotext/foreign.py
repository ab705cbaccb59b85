"""Pictures of other tools (ComfyUI, InvokeAI, NovelAI, Fooocus), as far as sd-parsers reads them."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadImage, BadParameter
from .files import open_picture
from .reading import FIX, Reading, read_infotext

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from PIL.Image import Image

GRAPH, WORKFLOW = "prompt", "workflow"
"""Keywords of ComfyUI's texts: what it ran, and what its page showed."""
FAULTS = (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, RecursionError, ArithmeticError)
"""What sd-parsers raises for texts that make no sense."""


def read_foreign(path: Path, where: str) -> Reading:
    """A picture of another tool. Raises BadImage, BadParameter."""
    try:
        parsers = import_module("sd_parsers")
    except ModuleNotFoundError as error:
        what = "holds no generation parameters in A1111's form"
        fix = f"pip install sd-parsers reads those of other tools; or {FIX}"
        raise BadParameter(what, where=where, fix=fix) from error
    with open_picture(path, where) as image:
        found, size = _parse(parsers, image, where), (0, 0) if image is None else image.size
    if found is None or not found.samplers:
        raise BadParameter("holds no generation parameters", where=where, fix=FIX)
    sampler = found.samplers[0]
    fields = _name_fields(sampler, sampler.parameters)
    fields["Size"] = f"{size[0]}x{size[1]}"
    notes = [f"read as a picture of {found.generator.value}: prompts, sampler, and its own size"]
    if len(found.samplers) > 1:
        notes.append(f"it was sampled {len(found.samplers)} times, of which the first is repeated")
    if not any(prompt.value.strip() for prompt in sampler.prompts):
        notes.append("no prompt was found in it: give the prompt")
    text = "\n".join(
        [
            "\n".join(prompt.value for prompt in sampler.prompts),
            "Negative prompt: " + "\n".join(prompt.value for prompt in sampler.negative_prompts),
            ", ".join(f"{label}: {json.dumps(value)}" for label, value in fields.items()),
        ]
    )
    reading = read_infotext(text, where=where)
    return msgspec.structs.replace(reading, notes=(*notes, *reading.notes))


def _parse(parsers: Any, image: Image | None, where: str) -> Any:
    """What sd-parsers finds. Raises BadImage."""
    if image is None:
        return None
    try:
        complete_workflow(image.info)
        return parsers.ParserManager().parse(image)
    except FAULTS as error:
        raise BadImage(f"its texts cannot be read ({error})", where=where, fix=FIX) from error


def complete_workflow(texts: dict[Any, Any]) -> None:
    """Add the links that sd-parsers wants to pictures of ComfyUI that hold no workflow, as programs save them."""
    try:
        graph, page = json.loads(texts.get(GRAPH, "")), json.loads(texts.get(WORKFLOW) or "{}")
        if not isinstance(page, dict) or "links" not in page:
            texts[WORKFLOW] = json.dumps({"links": list(_list_links(graph))})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return


def _list_links(graph: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Links of a graph in the form of a workflow: number, from, slot, to, slot, type, here the name of the input."""
    for name, node in graph.items():
        for slot, value in node.get("inputs", {}).items():
            if isinstance(value, list) and len(value) == 2:
                yield [0, value[0], value[1], name, slot, slot.upper()]


def _name_fields(sampler: Any, parameters: Mapping[str, Any]) -> dict[str, str]:
    """A1111's labels for what sd-parsers calls by names of its own."""
    names = {"Steps": "steps", "CFG scale": "cfg_scale", "Seed": "seed", "Schedule type": "scheduler"}
    fields = {label: str(parameters[name]) for label, name in names.items() if name in parameters}
    if "Seed" not in fields and "noise_seed" in parameters:
        fields["Seed"] = str(parameters["noise_seed"])
    fields["Sampler"] = str(sampler.name)
    name = None if sampler.model is None else sampler.model.name
    if isinstance(name, str) and name:  # a link to another node is a list
        fields["Model"] = name
    fields["RNG"] = "CPU"
    return fields
