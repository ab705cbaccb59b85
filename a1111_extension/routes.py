"""The core's routes in the host's web server."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..adapters.hosting.options import StoredOptions
from .hosts import get_host
from .lora import last_receipts

if TYPE_CHECKING:
    from ..serving.service import Service


@cache
def get_service() -> Service:
    """The service of this process: its jobs outlast a reload of the page."""
    from ..serving.service import Service

    host = get_host()
    return Service(host, host.run_in_turn, StoredOptions(host.shared), last_receipts)


def register() -> None:
    """Add the routes whenever the host starts its server."""

    def start(_page: Any, app: Any) -> None:
        from ..serving.web_app import add_routes

        add_routes(app, get_service(), import_module("fastapi"))

    get_host().callbacks.on_app_started(start)
