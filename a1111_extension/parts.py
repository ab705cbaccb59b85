"""The parts of the extension; one that fails leaves the others standing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .hosts import get_host
from .hosts.a1111 import log

if TYPE_CHECKING:
    from pathlib import Path

PARTS: tuple[str, ...] = ("preprocessors", "lora", "routes", "tab", "extras")
"""Modules that have `register`."""
_active: list[Path] = []
"""The folder that this extension was started from, until the host unloads its scripts."""


def register(folder: Path) -> dict[str, type]:
    """Register all parts; nothing where another folder of ours was started already. Returns script classes by name."""
    if _active:
        log.warning("underdrawing: %s stands aside, %s is loaded already: keep one of them", folder, _active[0])
        return {}
    _active.append(folder)
    host = get_host()
    host.callbacks.on_script_unloaded(_active.clear)
    host.settle(folder)
    classes: dict[str, type] = {}
    for part in PARTS:
        try:
            classes |= import_module(f".{part}", __package__).register() or {}
        except Exception as error:  # noqa: BLE001 - one bad part must not take the others down
            log.error("underdrawing: %s is not available: %s: %s", part, type(error).__name__, error)
    return classes
