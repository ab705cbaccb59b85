"""Slow work beside a web server's event loop: routes whose functions hold it up run in a thread."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Prepare = Callable[[dict[str, Any]], Callable[[], dict[str, Any]] | None]


def unblock_route(app: Any, path: str, prepare: Prepare) -> None:
    """Run the coroutine of a FastAPI route in a thread with a loop of its own, for requests that are slow.

    prepare: of the arguments of the route's function; None for requests that are to run as before, else what makes, in
    the thread, the arguments that the function is to have. A second call changes nothing.
    """
    for route in getattr(app, "routes", ()):
        call = getattr(getattr(route, "dependant", None), "call", None)
        if getattr(route, "path", "") == path and asyncio.iscoroutinefunction(call) and not hasattr(call, "original"):
            route.dependant.call = _build_call(call, prepare)
            route.app = import_module("starlette.routing").request_response(route.get_route_handler())


def _build_call(original: Any, prepare: Prepare) -> Any:
    run_in_thread: Any = import_module("starlette.concurrency").run_in_threadpool

    async def call(**given: Any) -> Any:
        work = prepare(given)
        if work is None:
            return await original(**given)
        return await run_in_thread(lambda: asyncio.run(original(**work())))

    vars(call)["original"] = original
    return call
