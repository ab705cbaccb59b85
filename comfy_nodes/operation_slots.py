"""Slots of operations as inputs of ComfyUI's nodes: lists of files, sockets, texts, and what comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.errors import BadParameter
from . import host, inputs
from .changes import listed_file
from .embeddings import embedding_library

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.operation import Slot

NAMES = {"lora": "lora_name", "checkpoint": "ckpt_name", "vae": "vae_name"}
"""Kind of slot → what ComfyUI's own nodes call such an input; others have the slot's name."""
NOTHING = "none"
SEVERAL = ("ckpt_a", "ckpt_b", "ckpt_c", "ckpt_d")
"""Inputs of a slot of several checkpoints."""
SOCKETS = {"model": "MODEL", "clip": "CLIP", "vae": "VAE"}
"""Inputs that make up a loaded checkpoint, in place of a file."""


def input_name(slot: Slot) -> str:
    """Name of a slot's input."""
    return slot.name if slot.live and not slot.listed else NAMES.get(slot.kind, slot.name)


def input_names(slot: Slot) -> tuple[str, ...]:
    """Names of a slot's inputs."""
    return SEVERAL if slot.kind == "checkpoints" else (input_name(slot),)


def take_given(slot: Slot, given: dict[str, Any]) -> Any:
    """What the graph holds for a slot."""
    if not _takes_both(slot):
        return given.get(input_name(slot))
    found = [_choose_checkpoint(given, name) for name in input_names(slot)]
    return [one for one in found if one is not None]


def _takes_both(slot: Slot) -> bool:
    """Whether a slot takes files of a list, and loaded models in their place."""
    return slot.kind == "checkpoints" or slot.listed


def _choose_checkpoint(given: dict[str, Any], name: str) -> Any:
    """A file's name, or what is connected in its place: what it is called and its parts."""
    ending = name.removeprefix("ckpt").removesuffix("_name")
    parts = [given.get(f"{socket}{ending}") for socket in SOCKETS]
    file = given.get(name, NOTHING)
    if all(part is None for part in parts):
        return None if file == NOTHING else file
    if file != NOTHING:
        what, fix = f"{file} and a loaded model are both given", f"set {name} to {NOTHING}, or disconnect the model"
        raise BadParameter(what, where=name, fix=fix)
    return (f"model{ending}", *parts)


def make_inputs(slot: Slot) -> dict[str, inputs.Input]:
    """The widgets or sockets of a slot."""
    if not _takes_both(slot):
        return {input_name(slot): _slot_input(slot)}
    files = host.paths().get_filename_list(host.FOLDERS["checkpoint"])
    options = [*files, NOTHING] if slot.listed else [NOTHING, *files]
    return {name: inputs.choice(options, slot.help) for name in input_names(slot)}


def make_sockets(slot: Slot) -> dict[str, inputs.Input]:
    """Sockets for loaded models in place of files."""
    if not (_takes_both(slot) and slot.live):
        return {}
    endings = [name.removeprefix("ckpt").removesuffix("_name") for name in input_names(slot)]
    return {
        f"{socket}{ending}": (kind, {"tooltip": f"{kind} of a loaded checkpoint, in place of the file of its place"})
        for ending in endings
        for socket, kind in SOCKETS.items()
    }


def _slot_input(slot: Slot) -> inputs.Input:
    """The widget or socket of a slot."""
    match slot.kind:
        case "checkpoint" if slot.live:
            return "MODEL", {"tooltip": slot.help}
        case "lora" | "checkpoint" | "vae":
            files = host.paths().get_filename_list(host.FOLDERS[slot.kind])
            return inputs.choice(files, slot.help)
        case "embedding":
            return inputs.choice([f"{e.relative}{e.path.suffix}" for e in embedding_library().entries], slot.help)
        case "weights":
            from ..preprocessors.weights.catalogue import records

            names = [weight.id for weight in records().values() if weight.repo]
            kind, options = inputs.choice([*names, NOTHING] if slot.optional else names, slot.help)
            return kind, options | ({"default": NOTHING} if slot.optional else {})
        case "poses":
            return "POSE_KEYPOINT", {"tooltip": slot.help}
        case "loras":
            return inputs.text("", f"{slot.help}, as tags: <lora:a:0.8> <lora:b:0.5:1>", multiline=True)
        case "text":
            return inputs.text("", slot.help, multiline=True)
        case "checkpoints" | "file":
            raise TypeError(f"{slot.name}: nodes have no single input for a slot of kind {slot.kind}")


def open_value(slot: Slot, given: Any) -> Any:
    """What the operation takes in place of what the graph holds."""
    match slot.kind:
        case "checkpoint" if slot.live and not slot.listed:
            from .adapting import Live

            return Live(slot.name, given)
        case "checkpoints" | "checkpoint" if _takes_both(slot):
            return _open_checkpoints(slot, given)
        case "lora" | "checkpoint" | "vae":
            return host.require_file(slot.kind, given)
        case "embedding":
            return embedding_library().find(given)
        case "weights":
            return () if given == NOTHING else (given,)
        case "poses":
            from ..core.poses.reading import parse_poses

            return parse_poses(given)._replace(is_list=True)
        case "loras":
            from ..adapters.prompts.lora_requests import weighted_loras

            return weighted_loras(given, host.HOOKS.folders("lora"))
        case "text" | "file" | "checkpoints":
            return given


def _open_checkpoints(slot: Slot, given: list[Any]) -> Any:
    """Files, and loaded models: one where the slot takes one. Raises BadParameter, BadWeights."""

    def open_one(one: Any) -> Any:
        from .live_models import HostModel

        return HostModel(*one) if isinstance(one, tuple) else host.require_file("checkpoint", one)

    found = tuple(open_one(one) for one in given)
    if slot.kind == "checkpoint" and not found:
        raise BadParameter("no checkpoint was given", where=input_name(slot), fix="choose a file, or connect a MODEL")
    return found if slot.kind == "checkpoints" else found[0]


def list_files(slot: Slot, given: Any) -> list[Path]:
    """Files that a slot reads. Raises UnknownName, BadParameter."""
    match slot.kind:
        case "checkpoints" | "checkpoint" if _takes_both(slot):
            return [path for name in given for path in listed_file("checkpoint", name)]
        case "lora" | "checkpoint" | "vae" if not slot.live:
            return listed_file(slot.kind, given)
        case "embedding" if isinstance(given, str):
            return [embedding_library().find(given)]
        case "loras":
            from ..adapters.prompts.lora_requests import list_tagged_files

            return list_tagged_files(given, host.HOOKS.folders("lora"))
        case _:
            return []
