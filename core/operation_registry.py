"""Operations are found, not listed: one file each in the `operations` folder of a room, or an entry point."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .declarations import iter_entry_points, iter_modules, load_declarations
from .errors import UnknownName
from .operation import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .operation import Host

OperationType = type[Operation[Any, Any]]
GROUP = "underdrawing.operations"
FOLDER = "operations"
TITLES = {
    "checkpoint": (
        "Checkpoints",
        "Merge, sweep, inspect, compare, prune and convert checkpoints, and bake VAEs into them.",
    ),
    "dataset": ("Data sets", "Annotate, verify and describe data sets of any size."),
    "generate": ("Pictures", "Generate pictures from a prompt, with controls, LoRAs and embeddings."),
    "lora": ("LoRA tools", "Inspect, bake, extract, merge, resize and convert LoRA-family files."),
    "embedding": ("Embeddings", "Inspect and convert Textual Inversion embeddings."),
    "pose": ("Poses", "Draw poses from JSON files, and edit them."),
    "prompt": ("Prompts", "Explain how A1111 and ComfyUI read a prompt."),
    "reference": ("Reference model", "The small model that comes with the package: its world, training and scores."),
    "train": ("Training", "Train LoRAs, embeddings and ControlNets on the pictures of a folder."),
    "weights": ("Tools", "List, fetch, verify, find and import weights files."),
}
"""Group of operations → its title, and the help of its command; a group of somebody else's has its name for both."""


class OperationRegistry:
    """All operations of a package's rooms and of installed plug-ins; files that fail to import keep their reason."""

    def __init__(self, package: str, group: str = GROUP) -> None:
        self._found, self.broken = load_declarations(_iter_sources(package, group), _check)
        groups = {operation.spec.group for operation in self._found.values() if operation.spec.verb}
        for name in groups & self._found.keys():
            self.broken[name] = f"ValueError: {name} is a group, so it can be no operation"
            del self._found[name]

    def __iter__(self) -> Iterator[OperationType]:
        """In order of id."""
        return iter(self._found.values())

    def __getitem__(self, name: str) -> OperationType:
        """The operation with an id. Raises UnknownName."""
        if name not in self._found:
            reason = f"could not be imported ({self.broken[name]})" if name in self.broken else "does not exist"
            raise UnknownName(f"the operation {name!r} {reason}", fix=f"choose one of {', '.join(self._found)}")
        return self._found[name]

    def of_host(self, host: Host) -> list[OperationType]:
        """Operations that a host offers."""
        return [operation for operation in self if host in operation.spec.hosts]

    def groups(self, host: Host) -> dict[str, list[OperationType]]:
        """Group → the operations of it that a host offers."""
        names = [operation.spec.group for operation in self.of_host(host)]
        return {name: [o for o in self.of_host(host) if o.spec.group == name] for name in dict.fromkeys(names)}


def group_title(group: str) -> str:
    """Title of a group, for menus."""
    return TITLES.get(group, (group.capitalize(), ""))[0]


def group_help(group: str) -> str:
    """Help of a group of commands; without one in TITLES, the titles of its operations."""
    if group in TITLES:
        return TITLES[group][1]
    return f"{', '.join(operation.spec.title for operation in operations() if operation.spec.group == group)}."


@lru_cache(maxsize=1)
def operations() -> OperationRegistry:
    """Operations of this package."""
    return OperationRegistry((__package__ or "").rpartition(".")[0])


def _iter_sources(package: str, group: str) -> Iterator[tuple[str, Callable[[], OperationType]]]:
    root = importlib.import_module(package)
    for room in sorted(room.name for room in pkgutil.iter_modules(root.__path__) if room.ispkg):
        folders = [str(path) for place in root.__path__ if (path := Path(place, room, FOLDER)).is_dir()]
        for file, load in iter_modules(f"{package}.{room}.{FOLDER}", folders, Operation):
            yield file.replace("_", ".", 1), load
    yield from iter_entry_points(group)


def _check(operation: OperationType) -> None:
    """Raise what is wrong with its id, fields or slots."""
    spec = operation.spec
    if not spec.group or spec.id.endswith("."):
        raise ValueError(f"the id {spec.id!r} is neither GROUP.VERB nor one word")
    names = {field.name for field in operation.fields()}
    if lost := sorted(set(spec.added) - names):
        raise ValueError(f"{spec.id} has no parameter {', '.join(lost)}")
    operation.slots()
