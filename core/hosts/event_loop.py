"""Slow work beside a web server's event loop: routes whose functions hold it up run in a thread."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def unblock_route(app: Any, path: str, is_slow: Callable[[dict[str, Any]], bool]) -> None:
    """Run the coroutine of a FastAPI route in a thread with a loop of its own, for requests that are slow.

    is_slow: of the arguments of the route's function. Other requests run as before; a second call changes nothing.
    """
    for route in getattr(app, "routes", ()):
        call = getattr(getattr(route, "dependant", None), "call", None)
        if getattr(route, "path", "") == path and asyncio.iscoroutinefunction(call) and not hasattr(call, "original"):
            route.dependant.call = _build_call(call, is_slow)
            route.app = import_module("starlette.routing").request_response(route.get_route_handler())


def _build_call(original: Any, is_slow: Callable[[dict[str, Any]], bool]) -> Any:
    run_in_thread: Any = import_module("starlette.concurrency").run_in_threadpool

    async def call(**given: Any) -> Any:
        if is_slow(given):
            return await run_in_thread(lambda: asyncio.run(original(**given)))
        return await original(**given)

    vars(call)["original"] = original
    return call
