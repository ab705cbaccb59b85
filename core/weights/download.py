"""Downloads one pinned file: resumed, verified before it gets its name, safe beside other processes and on a full disk.

huggingface_hub is used for addresses and the token only: its own download neither compares a hash nor resumes what
another process left (2.4.0). A download belongs to whoever holds ``<sha256>.claim``, made with O_EXCL and kept fresh,
which also works where file locks do not; bytes go to a name of the process's own, so two holders at worst fetch
twice.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .. import settings
from ..errors import FetchFailed, WriteFailed
from ..files import (
    check_free_space,
    find_existing_folder,
    hash_file,
    is_process_dead,
    make_process_tag,
    replace_file,
    report_write_errors,
)
from ..regular_files import open_regular_file, read_text_file
from .failures import TemporaryFailure, build_fetch_error
from .http import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .record import Weight

    Progress = Callable[[int, int], None]

ROUNDS = 5
"""Attempts without a new byte before giving up; ten times as many in total."""
POLL = 0.2
STALE = 60.0
"""Seconds without a sign of life after which a claim is taken over."""
EMPTY_STALE = 5.0
"""The same for a claim without a holder, left by a process that ended between making and writing it."""


def download(weight: Weight, target: Path, parts: Path, progress: Progress | None = None) -> Path:
    """Fetch weight to target. parts: folder of unfinished downloads, kept by hash. Raises FetchFailed."""
    with _report_full_disk(weight, target):
        parts.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _hold_claim(parts / f"{weight.sha256}.claim") as claim:
            if not _is_downloaded(target, weight):
                _download(weight, target, parts, _Reporter(claim, weight.size, progress))
    return target


@contextmanager
def _report_full_disk(weight: Weight, target: Path) -> Generator[None]:
    try:
        with report_write_errors(target, weight.size):
            yield
    except WriteFailed as error:
        raise FetchFailed(error.what, where=weight.id, fix=error.fix) from error


def _is_downloaded(target: Path, weight: Weight) -> bool:
    return target.is_file() and target.stat().st_size == weight.size and hash_file(target) == weight.sha256


class _Reporter:
    """Reports progress to the caller, and to other processes that the download is alive."""

    def __init__(self, claim: Path, size: int, progress: Progress | None) -> None:
        self._claim, self._size, self._progress, self._last = claim, size, progress, 0.0

    def __call__(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._size)
        self.alive()

    def alive(self) -> None:
        """Freshen the claim, at most once a second."""
        if time.monotonic() - self._last > 1:
            self._last = time.monotonic()
            with suppress(OSError):
                os.utime(self._claim)


def _download(weight: Weight, target: Path, parts: Path, reporter: _Reporter) -> None:
    own = parts / f"{weight.sha256}.{make_process_tag()}.part"
    _resume_leftover(weight, parts, own)
    try:
        resumed = _transfer(weight, own, reporter)
        found = hash_file(own, lambda _: reporter.alive())
        if found != weight.sha256 and resumed:
            own.unlink()  # what an earlier run left may have been damaged: once more from the start
            _transfer(weight, own, reporter)
            found = hash_file(own, lambda _: reporter.alive())
        _finish(weight, own, target, found)
    finally:
        _keep_for_later(own, parts / f"{weight.sha256}.part")
    for leaving in _list_leftovers(weight, parts):
        with suppress(OSError):
            leaving.unlink()


def _transfer(weight: Weight, own: Path, reporter: _Reporter) -> bool:
    """Fill own to the record's size; returns whether bytes of an earlier run are in it."""
    resumed = have = own.stat().st_size if own.exists() else 0
    check_free_space(find_existing_folder(own.parent), weight.size - have)
    transfer = Transfer(weight, settings.TIMEOUT.read())
    silent = 0
    for attempt in range(1, 10 * ROUNDS + 1):
        before = own.stat().st_size if own.exists() else 0
        try:
            transfer.run(own, reporter)
            break
        except TemporaryFailure as busy:
            grown = own.exists() and own.stat().st_size > before
            silent = 0 if grown else silent + 1
            if silent >= ROUNDS or attempt == 10 * ROUNDS:
                raise build_fetch_error(busy, attempt) from busy
            reporter.alive()
            pause(busy, silent)
    return bool(resumed)


def pause(busy: TemporaryFailure, silent: int) -> None:
    """Wait as long as the server asks for, or longer after each attempt in vain, at most 30 seconds."""
    patience = min(1.0, settings.TIMEOUT.read() / 30)
    time.sleep(min(30.0, busy.after if busy.after is not None else 0.5 * 2**silent * patience))


def _finish(weight: Weight, own: Path, target: Path, digest: str) -> None:
    """Give verified bytes their name; put others aside and report it."""
    if digest != weight.sha256:
        aside = own.with_name(f"{weight.sha256}.bad")
        replace_file(own, aside)
        what = f"what arrived has the sha256 {digest}, the record says {weight.sha256}; it was moved to {aside}"
        fix = f"check {'' if weight.url else 'HF_ENDPOINT and '}proxies, then try again; never use that file"
        raise FetchFailed(what, where=weight.id, fix=fix)
    with open_regular_file(own, "r+b") as stream:
        os.fsync(stream.fileno())
    try:
        replace_file(own, target)
    except WriteFailed as error:
        kept = own.with_name(f"{weight.sha256}.part")
        what = f"the verified download cannot be renamed: {target} is held open; it is kept in {kept}"
        raise FetchFailed(what, where=weight.id, fix="close the program that holds it, then fetch again") from error


def _list_leftovers(weight: Weight, parts: Path) -> list[Path]:
    """Unfinished downloads of this file that no living process works on, largest first."""
    start = f"{weight.sha256}."
    found: list[tuple[int, Path]] = []
    for part in parts.glob(f"{start}*part"):
        with suppress(OSError):
            status, tag = part.stat(), part.name[len(start) :]
            if tag == "part" or is_process_dead(tag) or _is_stale(status.st_mtime):
                found.append((status.st_size, part))
    return [part for _, part in sorted(found, reverse=True)]


def _is_stale(mtime: float) -> bool:
    return time.time() - mtime > max(STALE, 3 * settings.TIMEOUT.read())


def _resume_leftover(weight: Weight, parts: Path, own: Path) -> None:
    for leaving in _list_leftovers(weight, parts):
        with suppress(OSError):  # another process was quicker
            if leaving.stat().st_size <= weight.size:
                leaving.rename(own)
                return


def _keep_for_later(own: Path, target: Path) -> None:
    """Leave what has arrived for the next run."""
    with suppress(OSError):
        if own.exists() and own.stat().st_size:
            own.replace(target)
        else:
            own.unlink(missing_ok=True)


@contextmanager
def _hold_claim(claim: Path) -> Generator[Path]:
    """Hold the claim; wait as long as another process that is alive holds it."""
    tag = make_process_tag()
    while not _try_claim(claim, tag):
        _break_stale(claim, tag)
        time.sleep(POLL)
    try:
        yield claim
    finally:
        if _read_holder(claim) == tag:
            with suppress(OSError):
                claim.unlink()


def _try_claim(claim: Path, tag: str) -> bool:
    try:
        handle = os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except (FileExistsError, PermissionError):  # Windows: the name of a file being deleted is not permitted
        if claim.exists() or os.access(claim.parent, os.W_OK):
            return False
        raise
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(tag)
    except OSError:  # a full disk: nobody must wait for a claim without a holder
        with suppress(OSError):
            claim.unlink()
        raise
    return True


def _read_holder(claim: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return read_text_file(claim)
    return ""


def _break_stale(claim: Path, tag: str) -> None:
    with suppress(OSError):
        holder, age = _read_holder(claim), time.time() - claim.stat().st_mtime
        if is_process_dead(holder) or _is_stale(time.time() - age) or (not holder and age > EMPTY_STALE):
            aside = claim.with_name(f"{claim.name}.{tag}")
            claim.rename(aside)
            aside.unlink()
