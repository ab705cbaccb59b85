"""Fetches a file whose record lacks its hash or size: what the hub states is pinned, and only that is taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec
import requests

from .. import settings
from ..errors import FetchFailed
from ..files import EMPTY_SHA256, parse_count
from .download import ROUNDS, download, pause
from .failures import TemporaryFailure, build_fetch_error, describe_error, is_unreachable, suggest_manual_download
from .http import Transfer
from .pins import Pin, complete_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .pins import Pins
    from .record import Weight

    Progress = Callable[[int, int], None]

MOVES = 5
"""Redirects on the same host that are followed."""


class HubMetadata(NamedTuple):
    """A hub's metadata of a file; sha256 is empty when it states none."""

    commit: str
    sha256: str
    size: int


class MetadataRequest(Transfer):
    """Asks for a file's headers only. The hub's own answer counts, not that of the storage it sends us on to.

    Of a file with an address of its own, whoever answers in the end is meant.
    """

    def ask(self) -> HubMetadata:
        """Commit, hash and size. Raises TemporaryFailure or FetchFailed."""
        try:
            with self._open_session() as session:
                return self._parse_metadata(self._answer(session, self._url))
        except requests.Timeout as error:
            raise self._build_temporary(f"did not respond for {self._timeout:g} seconds, or not completely") from error
        except requests.exceptions.ProxyError as error:
            raise self._build_proxy_error(str(error)) from error
        except requests.RequestException as error:
            raise self._build_temporary(describe_error(error), unreachable=is_unreachable(error)) from error

    def _answer(self, session: requests.Session, url: str, moves: int = MOVES) -> requests.Response:
        with self._deadline.limit():
            response = session.head(url, allow_redirects=False, timeout=self._timeout)
        onward = urljoin(url, response.headers.get("Location", ""))
        followed = _is_same_host(url, onward) or self._weight.url  # a hub sends us on to a storage that knows nothing
        moved = response.is_redirect and "X-Linked-Etag" not in response.headers and followed
        if moved and moves:  # the repository has another name now
            return self._answer(session, onward, moves - 1)
        if response.status_code != 200 and not response.is_redirect:
            raise self._build_refusal(response)
        return response

    def _parse_metadata(self, response: requests.Response) -> HubMetadata:
        headers = response.headers
        digest = headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"').lower()
        size = headers.get("X-Linked-Size", "") or ("" if response.is_redirect else headers.get("Content-Length", ""))
        known = re.fullmatch("[0-9a-f]{64}", digest) and digest != EMPTY_SHA256
        commit = headers.get("X-Repo-Commit", "")
        return HubMetadata(
            commit if re.fullmatch("[0-9a-f]{40}", commit) else "",
            digest if known else "",
            parse_count(size) or 0,
        )


def download_unpinned(weight: Weight, pins: Pins, target: Path, parts: Path, progress: Progress | None = None) -> Path:
    """Fetch a weight whose record states no hash, or a hash and no size. Raises FetchFailed, BadWeights."""
    if not weight.unpinned:
        return download(_add_size(weight), target, parts, progress)
    held = pins.get(weight)
    if held is not None:
        return _download_pinned(weight, held, pins, lambda record: download(record, target, parts, progress))
    pin = _pin_first_use(weight, pins)
    try:
        download(complete_record(weight, pin), target, parts, progress)
    except FetchFailed:
        if not target.is_file():
            pins.drop(weight)  # nothing came, so this was no use
        raise
    pins.add(weight, pin)
    return target


def _pin_first_use(weight: Weight, pins: Pins) -> Pin:
    metadata = ask_hub(weight)
    if not metadata.sha256 or not metadata.size:
        whose = "its server" if weight.url else "the hub"
        what = f"{whose} states no sha256 and size for it and this project pins none, so nothing could be verified"
        raise FetchFailed(what, where=weight.id, fix=suggest_manual_download(weight))
    pin = Pin(sha256=metadata.sha256, size=metadata.size, revision=_choose_commit(weight, metadata), origin="hub")
    held = pins.add(weight, pin)
    if held.sha256 != pin.sha256:
        raise _build_error(weight, held, metadata, pins)
    return held


def _download_pinned(weight: Weight, held: Pin, pins: Pins, get: Callable[[Weight], Path]) -> Path:
    """Fetch what was pinned earlier; when that fails, see whether the hub now states another file."""
    try:
        return get(complete_record(weight, held))
    except FetchFailed as failed:
        try:
            metadata = ask_hub(weight)
        except FetchFailed:
            raise failed from None
        if metadata.sha256 in ("", held.sha256):
            raise
        raise _build_error(weight, held, metadata, pins) from failed


def _build_error(weight: Weight, held: Pin, metadata: HubMetadata, pins: Pins) -> FetchFailed:
    what = f"the hub states the sha256 {metadata.sha256} now, but {held.sha256} was pinned on first use"
    fix = f"find out why it changed; remove {pins.path(weight)} only if you trust the new file"
    return FetchFailed(what, where=weight.id, fix=fix)


def _add_size(weight: Weight) -> Weight:
    """Record with the size the hub states. Raises FetchFailed when the hub states another hash than the record."""
    metadata = ask_hub(weight)
    if metadata.sha256 not in ("", weight.sha256):
        what = f"the hub states the sha256 {metadata.sha256}, the record says {weight.sha256}"
        raise FetchFailed(what, where=weight.id, fix="check HF_ENDPOINT; update this package if the file was replaced")
    if not metadata.size:
        raise FetchFailed("its server states no size for it", where=weight.id, fix=suggest_manual_download(weight))
    return msgspec.structs.replace(weight, size=metadata.size, revision=_choose_commit(weight, metadata))


def _choose_commit(weight: Weight, metadata: HubMetadata) -> str:
    """Commit to fetch from: the record's own, else the one the hub resolved its name to."""
    return weight.revision if re.fullmatch("[0-9a-f]{40}", weight.revision) else metadata.commit or weight.revision


def ask_hub(weight: Weight) -> HubMetadata:
    """Ask the hub for a file's metadata, with retries. Raises FetchFailed."""
    question = MetadataRequest(weight, settings.TIMEOUT.read())
    for attempt in range(ROUNDS - 1):
        try:
            return question.ask()
        except TemporaryFailure as busy:
            pause(busy, attempt)
    try:
        return question.ask()
    except TemporaryFailure as busy:
        raise build_fetch_error(busy, ROUNDS) from busy


def _is_same_host(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]
