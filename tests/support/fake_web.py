"""Stand-ins for a host's web framework and page, as far as the extension uses them."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class HTTPException(Exception):
    """What FastAPI turns into a status and a text."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


class FakeRequest(SimpleNamespace):
    """A request: its cookies, headers, parts of the path, and query."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"cookies": {}, "headers": {}, "path_params": {}, "query_params": {}, **given})


class FakeApp:
    """Keeps what is registered. auth, tokens: as Gradio's app has them."""

    def __init__(self, auth: Any = None) -> None:
        self.auth, self.tokens = auth, dict[str, str]()
        self.routes: list[SimpleNamespace] = []

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.routes.append(SimpleNamespace(path=path, endpoint=endpoint, **options))

    def ask(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        """What FastAPI would do with a request to a route whose path has these parts."""
        for route in self.routes:
            if route.path == path and method in route.methods:
                request = FakeRequest(**given)
                for dependency in route.dependencies:
                    dependency.call(request)
                return route.endpoint(request) if method == "GET" else route.endpoint(request, body)
        raise HTTPException(404, "no route")


class Component:
    """A widget or a container; keeps what it was made of."""

    made: list[Component]

    def __init__(self, *values: Any, **options: Any) -> None:
        self.values, self.options = values, options
        type(self).made.append(self)

    def __enter__(self) -> Component:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _body(default: Any) -> Any:
    return default


def _depends(call: Any) -> SimpleNamespace:
    return SimpleNamespace(call=call)


def install(monkeypatch: pytest.MonkeyPatch) -> list[Component]:
    """Put fastapi and gradio in place; returns the widgets that are made."""
    made: list[Component] = []
    fastapi, gradio = ModuleType("fastapi"), ModuleType("gradio")
    vars(fastapi).update(HTTPException=HTTPException, Request=FakeRequest, Body=_body, Depends=_depends)
    for name in ("Blocks", "HTML", "Accordion", "Dropdown", "Slider"):
        setattr(gradio, name, type(name, (Component,), {"made": made}))
    for module in (fastapi, gradio):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made
