"""A small hub on this machine that misbehaves on command."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

from underdrawing.core.weights.record import Weight

if TYPE_CHECKING:
    from types import TracebackType

PIECE = 1 << 14


class ToyHub:
    """Serves files by ``/repo/resolve/revision/file``.

    script: behaviour of each coming request, then "ok": ok, slow, cut, stall, dead, trickle, short, long, wrong,
    no_range, bad_range, a status code as text, "redirect:URL", drip (a header that comes byte by byte for ever) or
    chunks (a body whose lengths do). questions: of each coming HEAD request, then "lfs": lfs (as the hub answers for
    large files), git (for small ones: no sha256), a status code as text, "moved:PATH" (the repository was renamed),
    "stated:SHA256", "header:NAME:VALUE", drip or dead. commit: what HEAD says main is.
    """

    questions: list[str]
    asked: list[tuple[str, dict[str, str]]]
    commit = ""
    headers: dict[str, str]
    """Other values of headers of answers to GET."""

    def __init__(self, files: dict[str, bytes], script: list[str] | None = None) -> None:
        self.files, self.script = files, list(script or [])
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.questions, self.asked = [], []
        self.headers = {}
        self.sent = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ToyHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def next(self, path: str, headers: dict[str, str]) -> str:
        with self.lock:
            self.requests.append((path, headers))
            return self.script.pop(0) if self.script else "ok"


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub's script says; each hub has a subclass of its own."""

    hub: ClassVar[ToyHub]

    def log_message(self, format: str, *args: object) -> None:
        del format, args

    def do_HEAD(self) -> None:
        with self.hub.lock:
            self.hub.asked.append((self.path, dict(self.headers)))
            how = self.hub.questions.pop(0) if self.hub.questions else "lfs"
        body = self.hub.files.get(self.path)
        if how == "dead":
            self.hub.closing.wait(3)
        elif how.isdigit():
            self._answer(int(how), b"", **{"Retry-After": "0"})
        elif how == "drip":
            self._drip(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        elif how.startswith("moved:"):
            self._answer(307, b"", Location=how.removeprefix("moved:"))
        elif body is None:
            self._answer(404, b"")
        else:
            self._state(how, body)

    def _state(self, how: str, body: bytes) -> None:
        digest = how.removeprefix("stated:") if how.startswith("stated:") else hashlib.sha256(body).hexdigest()
        told = {"X-Repo-Commit": self.hub.commit or REVISION}
        if how == "git":
            tag = hashlib.sha1(body).hexdigest()
            self._answer(200, b"", **told, **{"ETag": f'"{tag}"', "Content-Length": str(len(body))})
            return
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(body)), **_read_header(how)}
        self._answer(302, b"", Location="http://storage.invalid/file", **told, **linked)

    def do_GET(self) -> None:
        how = self.hub.next(self.path, dict(self.headers))
        body = self.hub.files.get(self.path)
        if how.startswith("redirect:"):
            return self._answer(302, b"", Location=how.removeprefix("redirect:") + self.path)
        if how in ("drip", "chunks"):
            more = b"Transfer-Encoding: chunked\r\n\r\n1;" if how == "chunks" else b"X-Endless: "
            return self._drip(b"HTTP/1.1 200 OK\r\n" + more)
        if how.isdigit():
            return self._answer(int(how), b"no", **({"Retry-After": "0"} | self.hub.headers))
        if body is None:
            return self._answer(404, b"no such file")
        try:
            self._serve(how, body)
        except (BrokenPipeError, ConnectionResetError):
            return None

    def _drip(self, start: bytes) -> None:
        """Send the start and then a byte now and then, as long as anybody listens."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(start)
            while not self.hub.closing.wait(0.02):
                self.wfile.write(b"x")
                self.wfile.flush()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _serve(self, how: str, body: bytes) -> None:
        start = 0 if how == "no_range" else self._start()
        if start >= len(body):
            return self._answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
        rest = body[start:]
        announced = {"short": len(rest) - 10, "long": len(rest) + 10}.get(how, len(rest))
        told = 0 if how == "bad_range" else start
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        for name, value in ({"Content-Length": str(announced)} | self.hub.headers).items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {told}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self._send(how, bytes(len(rest)) if how == "wrong" else rest)

    def _start(self) -> int:
        wish = self.headers.get("Range", "")
        return int(wish.removeprefix("bytes=").partition("-")[0]) if wish else 0

    def _send(self, how: str, rest: bytes) -> None:
        whole = {"cut": len(rest) // 2, "stall": len(rest) // 2, "trickle": len(rest) // 2, "dead": 0}.get(
            how, len(rest)
        )
        for at in range(0, whole, PIECE):
            self._write(rest[at : min(at + PIECE, whole)])
            if how == "slow":
                time.sleep(0.02)
        while how in ("stall", "trickle", "dead") and not self.hub.closing.wait(0.05):
            if how == "trickle":
                self._write(rest[whole : whole + 1])
                whole += 1

    def _write(self, piece: bytes) -> None:
        self.wfile.write(piece)
        self.wfile.flush()
        with self.hub.lock:
            self.hub.sent += len(piece)


def _read_header(how: str) -> dict[str, str]:
    _, name, value = how.split(":", 2) if how.startswith("header:") else ("", "", "")
    return {name: value} if name else {}


REPO, FILE, REVISION = "someone/things", "net.safetensors", "0123456789abcdef0123456789abcdef01234567"
PATH = f"/{REPO}/resolve/{REVISION}/{FILE}"


def record(data: bytes, *, file: str = FILE, **changes: object) -> Weight:
    """Record of data as the toy hub would keep it."""
    given: dict[str, object] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "repo": REPO}
    given |= {"revision": REVISION, "licence": "MIT", "commercial": True, "file": file}
    return Weight(**(given | changes))  # type: ignore[arg-type]
