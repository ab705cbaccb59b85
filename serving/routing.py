"""What a route is, without any web framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "/underdrawing/v1"
VERSION = 1


class Call(NamedTuple):
    """A request. path: parts of the address by name; query: what follows its question mark; body: of a POST."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None


class Route(NamedTuple):
    """A route: its method, its path below the prefix, what answers it, and one line of help."""

    method: str
    path: str
    answer: Callable[[Call], dict[str, Any]]
    help: str


class Answer(NamedTuple):
    """What a request gets: the status of HTTP, and JSON, or for a failure its text as `detail`."""

    status: int
    content: dict[str, Any]
