"""One HTTP request for the rest of a file, and what a server's answers mean."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from .. import settings
from ..errors import FetchFailed, UnderdrawingError
from ..files import parse_count
from ..regular_files import open_regular_file
from .deadline import Deadline, open_session
from .failures import TemporaryFailure, describe_error, is_unreachable, suggest_manual_download
from .record import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .record import Weight

PIECE = 1 << 18
SLOW = 1024
"""Fewer bytes than this within one timeout count as a stall."""
RETRIED = (408, 425, 429, 500, 502, 503, 504)


class Transfer:
    """Downloads the rest of a file. Every problem is a TemporaryFailure (try again) or a FetchFailed (do not)."""

    def __init__(self, weight: Weight, timeout: float) -> None:
        self._weight, self._timeout = weight, timeout
        self._url = build_url(weight)
        self._restarted = False
        self._deadline = Deadline(timeout)

    def run(self, path: Path, report: Callable[[int], None]) -> None:
        """Append to path until it has the record's size."""
        have = path.stat().st_size if path.exists() else 0
        if have == self._weight.size:
            return
        try:
            with self._open_session() as session, self._request(session, have) as response:
                start = self._find_start(response, have)
                if start is None:
                    path.unlink(missing_ok=True)
                    raise self._build_temporary("did not resume the earlier download", after=0.0)
                self._save(response, path, start, report)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise self._build_temporary(f"did not respond for {self._timeout:g} seconds, or not completely") from error
        except requests.exceptions.ProxyError as error:
            raise self._build_proxy_error(str(error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._build_temporary(describe_error(error), unreachable=is_unreachable(error)) from error

    def _open_session(self) -> requests.Session:
        session = open_session(self._deadline)
        session.headers["Accept-Encoding"] = "identity"
        session.auth = _Bearer(None if self._weight.url else _read_token())
        return session

    def _request(self, session: requests.Session, have: int) -> requests.Response:
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._deadline.limit():
            return session.get(self._url, headers=headers, stream=True, timeout=self._timeout)

    def _find_start(self, response: requests.Response, have: int) -> int | None:
        """Byte at which the answer's body begins; None when the part must be given up. Raises for refusals."""
        status = response.status_code
        if status == 416:
            return self._restart("the server rejected the requested range (416)", have)
        if status not in (200, 206):
            raise self._build_refusal(response)
        start = 0
        if status == 206:
            match = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""), re.ASCII)
            if match is None or parse_count(match[1]) != have:
                return self._restart("the server sent a different range than was requested", have)
            start = have
        self._check_length(response, start)
        return start

    def _restart(self, what: str, have: int) -> None:
        """Give the part up, once."""
        if self._restarted or not have:
            raise self._build_failure(what, "try again later or use another HF_ENDPOINT")
        self._restarted = True

    def _check_length(self, response: requests.Response, start: int) -> None:
        length = parse_count(response.headers.get("Content-Length", ""))
        if length is not None and start + length != self._weight.size:
            what = f"the server offers {start + length} bytes, the record says {self._weight.size}"
            raise self._build_failure(what, "check HF_ENDPOINT; update this package if the file was replaced")

    def _save(self, response: requests.Response, path: Path, start: int, report: Callable[[int], None]) -> None:
        done = start
        with open_regular_file(path, "r+b" if start else "wb") as stream:
            stream.seek(start)
            for piece in self._iter_pieces(response):
                done += len(piece)
                if done > self._weight.size:
                    stream.truncate(0)
                    raise self._build_failure(
                        f"the server sent more than the {self._weight.size} bytes of the record", "check HF_ENDPOINT"
                    )
                stream.write(piece)
                report(done)
        if done < self._weight.size:
            raise self._build_temporary(f"closed the connection after {done} of {self._weight.size} bytes")

    def _iter_pieces(self, response: requests.Response) -> Iterator[bytes]:
        """Bytes as they come; a trickle counts as a stall."""
        raw: Any = response.raw
        read: Callable[[int], bytes] = getattr(raw, "read1", None) or (lambda _: raw.read(SLOW * 16))
        since, got = time.monotonic(), 0
        while piece := self._read_piece(read):
            got += len(piece)
            if time.monotonic() - since > self._timeout:
                if got < SLOW:
                    raise self._build_temporary(f"sent only {got} bytes in {self._timeout:g} seconds")
                since, got = time.monotonic(), 0
            yield piece

    def _read_piece(self, read: Callable[[int], bytes]) -> bytes:
        with self._deadline.limit():
            return read(PIECE)

    def _build_refusal(self, response: requests.Response) -> UnderdrawingError:
        status, host = response.status_code, urlsplit(response.url).netloc
        if status in RETRIED:
            wait = parse_count(response.headers.get("Retry-After", ""))
            return self._build_temporary(f"answered {status} ({response.reason})", after=wait)
        if status == 407:
            return self._build_proxy_error("407")
        if status in (401, 403):
            return self._build_failure(
                f"{host} denied access ({status})", "accept the terms on the repository's page and set HF_TOKEN"
            )
        if status in (404, 410):
            return self._build_failure(
                f"{host} does not have this file ({status})", "check HF_ENDPOINT, or update this package"
            )
        return self._build_failure(
            f"{host} answered {status} ({response.reason})", "try again later or use another HF_ENDPOINT"
        )

    def _build_proxy_error(self, reason: str) -> UnderdrawingError:
        if "407" in reason:
            fix = "put user name and password into http_proxy / https_proxy"
            return FetchFailed("the proxy requires a user name and a password (407)", where=self._weight.id, fix=fix)
        return self._build_temporary("cannot be reached through the proxy")

    def _build_temporary(self, what: str, after: float | None = None, *, unreachable: bool = False) -> TemporaryFailure:
        host = urlsplit(self._url).netloc
        busy = TemporaryFailure(
            f"{host} {what}",
            where=self._weight.id,
            fix=f"try again later (the download resumes where it stopped), or {self._suggest_alternative()}",
        )
        busy.after, busy.unreachable = after, unreachable
        return busy

    def _build_failure(self, what: str, fix: str) -> FetchFailed:
        """Failure whose remedy is about the hub, or for a file with an address of its own another one."""
        return FetchFailed(what, where=self._weight.id, fix=self._suggest_alternative() if self._weight.url else fix)

    def _suggest_alternative(self) -> str:
        return suggest_manual_download(self._weight) if self._weight.url else "set HF_ENDPOINT"


class _Bearer(AuthBase):
    """Sends the hub's token to the address asked for; requests drops it when another host is redirected to."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            r.headers["Authorization"] = f"Bearer {self._token}"
        return r


def build_url(weight: Weight) -> str:
    """Where the hub, or the mirror in HF_ENDPOINT, keeps the file, or its own address."""
    if weight.url:
        return weight.url
    from huggingface_hub import hf_hub_url

    mirror = settings.ENDPOINT.read() or None
    kind, repo = ("space", weight.repo.removeprefix(SPACES)) if weight.repo.startswith(SPACES) else (None, weight.repo)
    try:
        return hf_hub_url(repo, weight.file, repo_type=kind, revision=weight.revision, endpoint=mirror)
    except ValueError as error:
        raise FetchFailed(f"the record names no valid repository ({error})", where=weight.id) from error


def _read_token() -> str | None:
    from huggingface_hub import get_token

    return get_token()
