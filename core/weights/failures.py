"""Failures of downloads: those that another attempt may get over, and what is said when none is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import FetchFailed, UnderdrawingError

if TYPE_CHECKING:
    from .record import Weight


class TemporaryFailure(UnderdrawingError):
    """The attempt failed, another one may succeed. after: seconds the server asks to wait.

    unreachable: whether no server was reached at all.
    """

    after: float | None = None
    unreachable = False


class ServerUnreachable(FetchFailed):
    """No server was reached at all: other files of it cannot be had now either."""


_CAUSES = {
    "NameResolution": "its name cannot be resolved; is this machine online?",
    "getaddrinfo": "its name cannot be resolved; is this machine online?",
    "CERTIFICATE_VERIFY_FAILED": "its TLS certificate is not trusted",
    "SSLError": "the TLS handshake failed",
    "Connection refused": "connection refused",
    "Connection reset": "connection reset",
    "Network is unreachable": "network unreachable",
    "IncompleteRead": "the answer is incomplete",
}
"""Part of a library's message → the cause in plain words."""
_OFFLINE = ("NameResolution", "getaddrinfo", "Network is unreachable")


def describe_error(error: Exception) -> str:
    """What a server did, with the cause in plain words, else in the library's own, shortened."""
    text = f"{type(error).__name__}: {error}"
    cause = next((cause for part, cause in _CAUSES.items() if part in text), text[:160])
    return f"cannot be reached or closed the connection ({cause})"


def is_unreachable(error: Exception) -> bool:
    """Whether a library's error says that the server's name or network is not to be had."""
    return any(part in str(error) for part in _OFFLINE)


def build_fetch_error(busy: TemporaryFailure, attempts: int) -> FetchFailed:
    """Error when no further attempt is made."""
    kind = ServerUnreachable if busy.unreachable else FetchFailed
    what = f"connection failed after {attempts} attempt{'s' * (attempts != 1)}: {busy.what}"
    return kind(what, where=busy.where, fix=busy.fix)


def suggest_manual_download(weight: Weight) -> str:
    """Next step for a file that cannot be downloaded."""
    known_by = f" --as {weight.id}" if weight.unpinned else ""
    return f"get {weight.url or 'the file'} yourself, then `underdrawing weights import FILE{known_by}`"
