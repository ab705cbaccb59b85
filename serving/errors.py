"""Errors of requests, and the HTTP status of every error."""

from __future__ import annotations

from ..core import errors
from ..core.errors import UnderdrawingError


class RequestRefused(UnderdrawingError):
    """A request that no route can answer. status: of HTTP."""

    def __init__(self, what: str, *, status: int = 422, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.status = status


STATUS: dict[type[UnderdrawingError], int] = {
    errors.UnknownName: 404,
    errors.WeightsMissing: 409,
    errors.WriteFailed: 409,
    errors.Cancelled: 409,
    errors.MissingExtra: 501,
    errors.FetchFailed: 502,
}
"""HTTP status of errors that are not the request's fault alone; every other one is 422."""


def find_status(error: UnderdrawingError) -> int:
    """HTTP status of an error."""
    if isinstance(error, RequestRefused):
        return error.status
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)


def describe_error(error: UnderdrawingError) -> dict[str, object]:
    """An error as JSON: its text, its class, and ids of the weights that are missing."""
    return {"error": str(error), "type": type(error).__name__, "weights": list(getattr(error, "weights", ()))}
