"""Values of settings, from the texts of environment variables and of switches on a command line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

CONSENT = ("ask", "always", "never")
ON, OFF = ("1", "on", "yes", "true"), ("0", "off", "no", "false")
YES, NO = {*ON, "enable"}, {*OFF, "disable"}
"""Words after a switch."""
PARAMETER = "parameter"
"""Field of operations that takes parameters of others, NAME.PARAMETER=VALUE."""
_DOTTED = re.compile(r"--(no-)?([^=\s]+\.[\w-]+)(=.*)?", re.DOTALL)


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


def spell_out_switches(args: Sequence[str], switches: Set[str]) -> list[str]:
    """Arguments of a command line in which switches have values; what follows ``--`` is left alone.

    >>> spell_out_switches(["--no-safe", "--face", "off", "--face=On", "x"], {"--safe", "--face"})
    ['--safe=false', '--face=false', '--face=true', 'x']
    """
    off = {f"--no-{spelling[2:]}": spelling for spelling in switches}
    end = args.index("--") if "--" in args else len(args)
    spelt: list[str] = []
    words = iter(range(end))
    for at in words:
        option, equals, value = args[at].partition("=")
        following = args[at + 1].lower() if at + 1 < end else ""
        if args[at] in off:
            spelt.append(f"{off[args[at]]}=false")
        elif option in switches and equals:
            spelt.append(f"{option}={_read_word(value.lower()) or value}")
        elif option in switches:
            spelt.append(f"{option}={_read_word(following) or 'true'}")
            if _read_word(following):
                next(words)
        else:
            spelt.append(args[at])
    return [*spelt, *args[end:]]


def join_parameters(args: Sequence[str], options: Set[str | None]) -> list[str]:
    """Arguments with ``--NAME.PARAMETER VALUE`` as ``--parameter NAME.PARAMETER=VALUE``, where that is an option.

    A parameter without a value is switched on, one behind --no- off.

    >>> args = ["x", "--canny.low_threshold", "50", "--hed.safe", "--seed", "1"]
    >>> join_parameters(args, {"parameter"})
    ['x', '--parameter', 'canny.low_threshold=50', '--parameter', 'hed.safe=true', '--seed', '1']
    """
    if PARAMETER not in options:
        return list(args)
    joined: list[str] = []
    waiting = list(reversed(args))
    while waiting:
        word = waiting.pop()
        match = _DOTTED.fullmatch(word)
        if match is None:
            joined += [word, *reversed(waiting)] if word == "--" else [word]
            waiting = [] if word == "--" else waiting
            continue
        has_value = bool(waiting) and not waiting[-1].startswith("--") and not (match[1] or match[3])
        value = match[3][1:] if match[3] else "false" if match[1] else waiting.pop() if has_value else "true"
        joined += [f"--{PARAMETER}", f"{match[2]}={value}"]
    return joined


def _read_word(word: str) -> str:
    return "true" if word in YES else "false" if word in NO else ""
