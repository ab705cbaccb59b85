"""The routes of a service in a FastAPI app, with pydantic 1 or 2. The framework is the host's: it is handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .login import is_allowed
from .routing import PREFIX, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from .routing import Route
    from .service import Service


def add_routes(app: Any, service: Service, fastapi: Any) -> None:
    """Add every route to an app, once. fastapi: the module. Requests log in as the app's pages do."""
    known = {getattr(route, "path", "") for route in app.routes}
    for route in service.routes:
        if PREFIX + route.path not in known:
            app.add_api_route(
                PREFIX + route.path,
                make_endpoint(service, route, fastapi),
                methods=[route.method],
                dependencies=[fastapi.Depends(make_login(app, fastapi))],
                summary=route.help,
                operation_id=f"underdrawing {route.method} {route.path}",
            )


def make_login(app: Any, fastapi: Any) -> Callable[..., None]:
    """What refuses requests from outside where the host's page asks for a login."""

    def check(request: Any) -> None:
        header = request.headers.get("authorization", "")
        if not is_allowed(getattr(app, "auth", None), getattr(app, "tokens", {}), request.cookies, header):
            what = "log in to this page first, or send its name and password (HTTP Basic)"
            raise fastapi.HTTPException(401, what)

    check.__annotations__ = {"request": fastapi.Request}
    return check


def make_endpoint(service: Service, route: Route, fastapi: Any) -> Callable[..., Any]:
    """A plain function, which the app runs in a thread, so that its event loop goes on."""

    def answer(request: Any, body: Any) -> dict[str, Any]:
        found = service.answer(route, Call(request.path_params, request.query_params, body))
        if found.status != 200:
            raise fastapi.HTTPException(found.status, found.content["detail"])
        return found.content

    def get(request: Any) -> dict[str, Any]:
        return answer(request, None)

    def post(request: Any, body: Any = fastapi.Body(...)) -> dict[str, Any]:  # noqa: B008
        return answer(request, body)

    endpoint = get if route.method == "GET" else post
    endpoint.__annotations__ = {"request": fastapi.Request} | ({"body": dict} if endpoint is post else {})
    return endpoint
