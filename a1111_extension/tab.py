"""The tab: one element of the host's page, which our own scripts fill over our own routes (see javascript/)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .hosts import get_host
from .hosts.a1111 import TAB

ELEMENT = "underdrawing"
"""Id of the tab; the host puts `tab_` before it."""
PAGE = (
    '<div id="underdrawing_root">Underdrawing: the page is loading. If it stays so, reload it without the cache.</div>'
)


def register() -> None:
    """Add the tab whenever the host builds its page."""
    get_host().callbacks.on_ui_tabs(build_tab)


def build_tab() -> list[tuple[Any, str, str]]:
    """The tab as the host takes it. It holds nothing that a version of Gradio could draw otherwise."""
    gradio = import_module("gradio")

    with gradio.Blocks() as page:
        gradio.HTML(PAGE, elem_id="underdrawing_page")
    return [(page, TAB, ELEMENT)]
