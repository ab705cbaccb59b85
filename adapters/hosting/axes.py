"""Axes of A1111's plots."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..prompts.block_presets import PRESETS
from .tags import EDITS, edit_tags, list_presets

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "[Underdrawing] LoRA {}"


def build_axes(option: Any, read_presets: Callable[[], str]) -> list[Any]:
    """Axes that set one thing in all LoRA tags of a prompt. option: the host's class. read_presets: own, as text."""
    choices = {"choices": lambda: [*PRESETS, *list_presets(read_presets())[0]]}
    return [
        option(TITLE.format(what), str, partial(_edit, what), **(choices if what == "lbw" else {})) for what in EDITS
    ]


def _edit(what: str, p: Any, value: Any, _: Any) -> None:
    p.prompt = edit_tags(p.prompt, what, str(value))
