"""Errors a user can act on: each says what was wrong, where, and the next step."""

from __future__ import annotations

from .command_name import rewrite_commands
from .report_text import escape_controls

PUBLIC = "underdrawing"
"""Where users find these classes, whatever a host calls this package: hosts show an error's type with its module."""


class UnderdrawingError(Exception):
    """Base of every error this project raises on purpose.

    what: the fault in one sentence without a full stop. where: file, key or parameter it was found in.
    fix: the next step, a command if there is one. Commands in backquotes are named as they work here. In the
    message control characters, as in names of files, are escaped.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        what, fix = rewrite_commands(what), rewrite_commands(fix)
        self.what, self.where, self.fix = what, where, fix
        place = f"{escape_controls(where)}: " if where else ""
        step = f". Next: {fix}" if fix else ""
        super().__init__(place + escape_controls(f"{what}{step}", keep="\n"))


class UnknownName(UnderdrawingError):
    """No annotator, weight or alias has that name."""


class BadParameter(UnderdrawingError):
    """A parameter is unknown, of the wrong type or out of its range."""


class BadImage(UnderdrawingError):
    """An input cannot be decoded, or is refused because of its size or shape."""


class UnsafeFile(UnderdrawingError):
    """A file asks for something a weights file has no business with; nothing in it was executed."""


class BadWeights(UnderdrawingError):
    """A weights file is damaged or does not fit the network that should take it."""


class WeightsMissing(UnderdrawingError):
    """Weights are not on this machine and fetching them was not allowed.

    weights: ids of the missing files. found_by_name: whether a file that is put into a folder for weights is taken.
    """

    def __init__(
        self, what: str, *, where: str = "", fix: str = "", weights: tuple[str, ...] = (), found_by_name: bool = False
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.weights, self.found_by_name = weights, found_by_name


class FetchFailed(UnderdrawingError):
    """A download did not finish or did not match its record."""


class MissingExtra(UnderdrawingError):
    """An optional package is needed."""


class WriteFailed(UnderdrawingError):
    """A result could not be written; what stood there before is untouched."""


class Cancelled(UnderdrawingError):
    """The user stopped a run; nothing is half written."""


def _publish() -> None:
    for error in (UnderdrawingError, *UnderdrawingError.__subclasses__()):
        error.__module__ = PUBLIC


_publish()
