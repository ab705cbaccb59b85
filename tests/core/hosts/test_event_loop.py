"""Slow requests of a coroutine's route run in a thread of their own; the others as before."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from underdrawing.core.hosts.event_loop import unblock_route

Threads = list[int]


@pytest.fixture(autouse=True)
def starlette(monkeypatch: pytest.MonkeyPatch) -> None:
    concurrency, routing = ModuleType("starlette.concurrency"), ModuleType("starlette.routing")

    async def run_in_threadpool(work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def request_response(handler: Any) -> Any:
        return handler

    vars(concurrency)["run_in_threadpool"], vars(routing)["request_response"] = run_in_threadpool, request_response
    monkeypatch.setitem(sys.modules, "starlette.concurrency", concurrency)
    monkeypatch.setitem(sys.modules, "starlette.routing", routing)


def build_route(path: str, threads: Threads) -> Any:
    async def detect(**given: Any) -> Any:
        threads.append(threading.get_ident())
        return given

    route = SimpleNamespace(path=path, dependant=SimpleNamespace(call=detect), app=None)
    route.get_route_handler = lambda: route.dependant.call
    return route


def prepare(given: dict[str, Any]) -> Any:
    return (lambda: given | {"read": True}) if given["module"] == "ours" else None


def test_only_slow_requests_leave_the_loops_thread() -> None:
    threads: Threads = []
    other, route = build_route("/other", threads), build_route("/detect", threads)
    before = other.dependant.call
    app = SimpleNamespace(routes=[object(), other, route])
    unblock_route(app, "/detect", prepare)
    assert other.dependant.call is before
    assert asyncio.run(route.app(module="theirs")) == {"module": "theirs"}
    assert asyncio.run(route.app(module="ours")) == {"module": "ours", "read": True}
    assert threads[0] == threading.get_ident()
    assert threads[1] != threading.get_ident()


def test_a_second_call_changes_nothing() -> None:
    route = build_route("/detect", [])
    app = SimpleNamespace(routes=[route])
    unblock_route(app, "/detect", prepare)
    call = route.dependant.call
    unblock_route(app, "/detect", prepare)
    assert route.dependant.call is call


def test_a_route_that_runs_in_a_thread_already_stays() -> None:
    route = build_route("/detect", [])
    route.dependant.call = print
    unblock_route(SimpleNamespace(routes=[route]), "/detect", prepare)
    assert route.dependant.call is print


def test_no_app_and_no_routes_are_nothing_to_do() -> None:
    unblock_route(None, "/detect", prepare)
