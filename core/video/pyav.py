"""PyAV, which reads and writes video files: the extra `video`."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import BadImage, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Generator

OLDEST = 17
"""Earlier versions read every video as BT.601, whatever it states, so that colours are wrong."""
INSTALL = f"pip install 'av>={OLDEST}', or make pictures of the video and give their folder"


def load_av(where: str) -> Any:
    """The module. Raises MissingExtra, also for one that is too old."""
    try:
        av: Any = import_module("av")
    except ModuleNotFoundError as error:
        raise MissingExtra("video files need the package av (PyAV)", where=where, fix=INSTALL) from error
    except ImportError as error:
        raise MissingExtra(f"the package av (PyAV) cannot be imported ({error})", where=where, fix=INSTALL) from error
    version = str(getattr(av, "__version__", ""))
    if version.partition(".")[0].isdecimal() and int(version.partition(".")[0]) < OLDEST:
        what = f"PyAV {version} reads the colours of many videos wrongly, {OLDEST} is the first that does not"
        raise MissingExtra(what, where=where, fix=INSTALL)
    return av


@contextmanager
def report_faults(av: Any, what: str, where: str) -> Generator[None]:
    """Turn what PyAV raises in the block into BadImage."""
    try:
        yield
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        fix = "play it to see whether it is whole, or convert it with ffmpeg"
        raise BadImage(f"{what} ({reason})", where=where, fix=fix) from error
