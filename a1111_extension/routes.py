"""The core's routes in the host's web server (FastAPI, with pydantic 1 or 2)."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..serving.login import is_allowed
from ..serving.routing import PREFIX, Call
from ..serving.service import Service
from .hosts import get_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..serving.routing import Route


@cache
def get_service() -> Service:
    """The service of this process: its jobs outlast a reload of the page."""
    host = get_host()
    return Service(host, host.run_in_turn)


def register() -> None:
    """Add the routes whenever the host starts its server."""

    def start(_page: Any, app: Any) -> None:
        add_routes(app)

    get_host().callbacks.on_app_started(start)


def fastapi() -> Any:
    """The web framework, which only the host brings."""
    return import_module("fastapi")


def add_routes(app: Any) -> None:
    """Add every route to a FastAPI app, once."""
    known = {getattr(route, "path", "") for route in app.routes}
    for route in get_service().routes:
        if PREFIX + route.path not in known:
            login = [fastapi().Depends(make_login(app))]
            app.add_api_route(
                PREFIX + route.path,
                make_endpoint(route),
                methods=[route.method],
                dependencies=login,
                summary=route.help,
                operation_id=f"underdrawing {route.method} {route.path}",
            )


def make_login(app: Any) -> Callable[..., None]:
    """What refuses requests from outside where the host's page asks for a login."""

    def check(request: Any) -> None:
        header = request.headers.get("authorization", "")
        if not is_allowed(getattr(app, "auth", None), getattr(app, "tokens", {}), request.cookies, header):
            raise fastapi().HTTPException(401, "log in to this page first, or send its name and password (HTTP Basic)")

    check.__annotations__ = {"request": fastapi().Request}
    return check


def make_endpoint(route: Route) -> Callable[..., Any]:
    """A plain function, which the host runs in a thread, so that its event loop goes on."""

    def answer(request: Any, body: Any) -> dict[str, Any]:
        found = get_service().answer(route, Call(request.path_params, request.query_params, body))
        if found.status != 200:
            raise fastapi().HTTPException(found.status, found.content["detail"])
        return found.content

    def get(request: Any) -> dict[str, Any]:
        return answer(request, None)

    def post(request: Any, body: Any = fastapi().Body(...)) -> dict[str, Any]:  # noqa: B008
        return answer(request, body)

    endpoint = get if route.method == "GET" else post
    endpoint.__annotations__ = {"request": fastapi().Request} | ({"body": dict} if endpoint is post else {})
    return endpoint
