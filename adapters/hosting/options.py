"""Settings of LoRAs in A1111 and its relatives."""

from __future__ import annotations

from typing import Any

TITLE = "Underdrawing"
TAGS, INFOTEXT, PRESETS = (f"underdrawing_lora_{name}" for name in ("tags", "infotext", "presets"))
OPTIONS: dict[str, tuple[Any, str]] = {
    TAGS: (True, "Read lbw=, start=, stop= and curves in <lora:> tags"),
    INFOTEXT: (True, "Write into pictures which LoRAs were converted"),
    PRESETS: ("", "Presets for lbw= (NAME:1,0.5,... separated by semicolons)"),
}
"""Name → default and label."""


def add_options(shared: Any) -> None:
    """A section of the host's settings. shared: its module of state and options."""
    for name, (default, label) in OPTIONS.items():
        shared.opts.add_option(name, shared.OptionInfo(default, label, section=("underdrawing", TITLE)))


def read_option(shared: Any, name: str) -> Any:
    """Value of one of `OPTIONS`, also before the host has them."""
    return shared.opts.data.get(name, OPTIONS[name][0])
