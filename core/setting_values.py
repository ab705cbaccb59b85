"""Values of settings, from the texts of environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from .errors import BadParameter

CONSENT = ("ask", "always", "never")
ON, OFF = ("1", "on", "yes", "true"), ("0", "off", "no", "false")


class InvalidValue(ValueError):
    """A value that cannot be used. what: the fault, to follow the value. fix: the next step."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def to_consent(text: str) -> str:
    """One of CONSENT, in any case."""
    if text.lower() not in CONSENT:
        raise InvalidValue("is not a choice", "set it to ask, always or never")
    return text.lower()


def to_switch(text: str) -> bool:
    """Whether it is on."""
    if text.lower() not in ON + OFF:
        raise InvalidValue("is neither on nor off", "set it to 1 or 0")
    return text.lower() in ON


def to_seconds(text: str) -> float:
    """Positive number of seconds, at least 0.1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InvalidValue("is not a number of seconds", "set it to a positive number, for example 30")
    return max(0.1, number)


def to_megapixels(text: str) -> float:
    """Number of megapixels from 1 to 10000."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= 10_000:
        raise InvalidValue("is not a number of megapixels", "set it to a number from 1 to 10000, for example 200")
    return number


def to_url(text: str) -> str:
    """URL without a slash at its end; empty when unset."""
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidValue("is not a URL", "write it as https://host") from error
    if text and not (parts.scheme and parts.netloc):
        raise InvalidValue("is not a URL", "write it as https://host")
    return text.rstrip("/")


def to_folder(text: str) -> Path | None:
    """Folder, which need not exist, with ~ expanded; None when unset."""
    return _expand(text) if text else None


def to_folders(text: str) -> list[Path]:
    """Folders separated as in PATH, with ~ expanded."""
    return [_expand(part) for part in text.split(os.pathsep) if part]


def _expand(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidValue("names a user without a home folder", "write the whole path") from error


def expand_path(path: Path) -> Path:
    """Path with ~ and ~user expanded. Raises BadParameter for a user without a home folder."""
    try:
        return _expand(str(path))
    except InvalidValue as error:
        raise BadParameter(error.what, where=str(path), fix=error.fix) from error
