"""A host with a web server, as far as the core sees one: folders below a root, and requests without a server."""

from __future__ import annotations

import base64
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.pictures import photo

from underdrawing.core.hooks import HostHooks
from underdrawing.core.images.writing import encode_png
from underdrawing.serving.routing import Answer, Call
from underdrawing.serving.service import Service

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

    from underdrawing.core.hooks import FileKind

PICTURE = base64.b64encode(encode_png(photo(64, 96), {})).decode()
"""A small picture as requests hold it."""


class WebHost(HostHooks):
    """Folders of models and pictures below a root. listed: kinds whose lists were read again."""

    confined = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listed: list[str] = []

    def folders(self, kind: FileKind) -> list[Path]:
        return [self.root / kind]

    def list_again(self, kind: FileKind) -> None:
        self.listed.append(kind)

    def note(self, text: str) -> None:
        pass


class Client:
    """Sends requests to a service. wait: for the end of jobs."""

    def __init__(self, host: WebHost) -> None:
        self.service = Service(host)

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """Answer of the first route whose path fits."""
        parts = path.split("/")
        for route in self.service.routes:
            names = route.path.split("/")
            if route.method == method and len(names) == len(parts):
                pairs = list(zip(names, parts, strict=True))
                if all(name == part or name[:1] == "{" for name, part in pairs):
                    return self.service.answer(route, Call({n[1:-1]: p for n, p in pairs if n[:1] == "{"}, query, body))
        return Answer(404, {"detail": "no route"})

    def get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self.ask("GET", path, **query)
        assert answer.status == 200, answer
        return answer.content

    def run(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Start a job and wait for its end."""
        answer = self.ask("POST", path, body, wait="30")
        assert answer.status == 200, answer
        assert answer.content["state"] not in ("waiting", "running")
        return answer.content


def decode(text: str) -> NDArray[uint8]:
    """Pixels of a picture that came in an answer."""
    from underdrawing.core.images.reading import decode_file

    return decode_file(base64.b64decode(text)).pixels


_opened: list[str] = []
_watch = [False]


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch[0] and event == "open" and isinstance(arguments[0], (str, bytes)):
        _opened.append(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode(errors="replace"))


@contextmanager
def record_openings() -> Generator[list[str]]:
    """Paths that Python opens in the block, in every thread."""
    if _record not in _hooks:
        sys.addaudithook(_record)
        _hooks.append(_record)
    _opened.clear()
    _watch[0] = True
    try:
        yield _opened
    finally:
        _watch[0] = False


_hooks: list[Any] = []
