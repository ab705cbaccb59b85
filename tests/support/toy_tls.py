"""A server that speaks TLS and a proxy that opens tunnels, on this machine; both stop half-way on command."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

CERTIFICATE = Path(__file__).resolve().parents[1] / "golden" / "tls" / "server.pem"
_PAUSE = 0.02


class Toy:
    """Answers each connection in a thread of its own. how: what it does with the coming ones."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Toy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._run, args=(peer,), daemon=True).start()

    def _run(self, peer: socket.socket) -> None:
        with suppress(OSError), peer:
            self.answer(peer)

    def answer(self, peer: socket.socket) -> None:
        """Serve one connection."""
        raise NotImplementedError

    def drip(self, peer: socket.socket, start: bytes) -> None:
        """Send the start and then a byte now and then, as long as anybody listens."""
        peer.sendall(start)
        while not self.closing.wait(_PAUSE):
            peer.sendall(b"x")


class TlsHub(Toy):
    """Serves one body for every request. how: ok, handshake, header or chunks (of which drips without end)."""

    def __init__(self, body: bytes, how: str = "ok") -> None:
        super().__init__(how)
        self.body = body
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)

    def answer(self, peer: socket.socket) -> None:
        if self.how == "handshake":
            return self.drip(peer, b"\x16\x03\x03\x40\x00\x02")  # a record of 16 KiB that never ends
        with self._context.wrap_socket(peer, server_side=True) as secure:
            _read_head(secure)
            if self.how == "header":
                self.drip(secure, b"HTTP/1.1 200 OK\r\nX-Endless: ")
            elif self.how == "chunks":
                self.drip(secure, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
            else:
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.body) + self.body)


class Tunnel(Toy):
    """Opens a tunnel to one port, whatever it is asked for. how: ok, or header or status (which drip without end)."""

    def __init__(self, port: int, how: str = "ok") -> None:
        super().__init__(how)
        self._target = port

    def answer(self, peer: socket.socket) -> None:
        _read_head(peer)
        if self.how == "header":
            return self.drip(peer, b"HTTP/1.1 200 OK\r\nX-Endless: ")
        if self.how == "status":
            return self.drip(peer, b"HTTP/1.1 200 ")
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self._target)) as target:
            back = threading.Thread(target=_pipe, args=(target, peer), daemon=True)
            back.start()
            _pipe(peer, target)
            back.join()


def _read_head(peer: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(4096)
        if not piece:
            raise OSError("closed")
        head += piece


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
