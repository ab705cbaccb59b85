"""A session whose answers must come in time as a whole: a socket's own timeout begins anew with every byte."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Generator


class Deadline:
    """Ends the connection in use when a limited block takes longer than seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._connection: Any = None
        self._socket: socket.socket | None = None

    def use(self, connection: Any) -> None:
        """Make a connection the one in use; its socket is taken as soon as it has one."""
        self._connection, self._socket = connection, connection.sock

    @contextmanager
    def limit(self) -> Generator[None]:
        """Raise requests.Timeout where the block takes too long."""
        late = threading.Event()
        timer = threading.Timer(self._seconds, self._end, (late,))
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if late.is_set():
                raise requests.Timeout from error
            raise
        finally:
            timer.cancel()
        if late.is_set():
            raise requests.Timeout

    def _end(self, late: threading.Event) -> None:
        late.set()
        used = self._socket or getattr(self._connection, "sock", None)
        if used is not None:
            with suppress(OSError):
                socket.socket.shutdown(used, socket.SHUT_RDWR)


class _Watched:
    """Mixed into urllib3's connections: they report themselves to the deadline."""

    deadline: Deadline
    sock: Any

    def connect(self) -> None:
        self.deadline.use(self)
        super().connect()  # type: ignore[misc]

    def getresponse(self, *arguments: Any, **named: Any) -> Any:
        self.deadline.use(self)  # a connection that is not kept forgets its socket before the body is read
        return super().getresponse(*arguments, **named)  # type: ignore[misc]


class _Adapter(HTTPAdapter):
    """Makes connections that a deadline watches, also through proxies."""

    def __init__(self, deadline: Deadline) -> None:
        self._pools: Any = {
            scheme: type("Pool", (pool,), {"ConnectionCls": _watch(pool.ConnectionCls, deadline)})
            for scheme, pool in (("http", HTTPConnectionPool), ("https", HTTPSConnectionPool))
        }
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)  # pyright: ignore[reportUnknownMemberType]
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        manager: Any = super().proxy_manager_for(*arguments, **named)  # pyright: ignore[reportUnknownMemberType]
        if "SOCKS" not in type(manager).__name__:
            manager.pool_classes_by_scheme = self._pools
        return manager


def _watch(kind: type[Any], deadline: Deadline) -> type[Any]:
    return type(kind.__name__, (_Watched, kind), {"deadline": deadline})


def open_session(deadline: Deadline) -> requests.Session:
    """Session that reports its connections to the deadline."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(deadline))
    return session
