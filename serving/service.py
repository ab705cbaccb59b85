"""All routes of a host's web server, without the web server: a table of paths and the functions that answer them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..core.errors import UnderdrawingError
from .answers import Answers, list_routes
from .errors import RequestRefused, find_status
from .jobs import Jobs
from .routing import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.hooks import HostHooks
    from .routing import Call, Route
    from .settings import SettingsStore

log = logging.getLogger("underdrawing")


class Service:
    """The routes of one host.

    execute: see `Jobs`. settings: what the host stores of ours, None for nothing. receipts: what became of the LoRAs of
    the last prompt, as JSON.
    """

    def __init__(
        self,
        host: HostHooks,
        execute: Callable[[Callable[[], None]], None] = lambda work: work(),
        settings: SettingsStore | None = None,
        receipts: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.jobs = Jobs(execute)
        self.routes = list_routes(Answers(host, self.jobs, settings, receipts))

    def answer(self, route: Route, call: Call) -> Answer:
        """Answer a request; whatever goes wrong becomes a status and a text, never a trace."""
        try:
            if route.method == "POST" and not isinstance(call.body, dict):
                raise RequestRefused("the body is no JSON object", fix='send {"name": value, ...}')
            return Answer(200, route.answer(call))
        except UnderdrawingError as error:
            return Answer(find_status(error), {"detail": str(error)})
        except Exception as error:
            log.warning("underdrawing: %s %s failed", route.method, route.path, exc_info=error)
            what = " ".join(f"{type(error).__name__}: {error}".split())
            return Answer(500, {"detail": f"{what}. Next: look into the host's log, and report it"})
