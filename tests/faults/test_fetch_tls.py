"""The deadline of an answer holds while a connection is encrypted, and while a proxy opens a tunnel."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.support.toy_hub import record
from tests.support.toy_tls import CERTIFICATE, TlsHub, Tunnel

from underdrawing.core.weights.failures import TemporaryFailure
from underdrawing.core.weights.http import Transfer
from underdrawing.core.weights.pin_on_first_use import MetadataRequest

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 4
WEIGHT = record(DATA)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HTTPS_PROXY", "https_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))


def open_toys(stack: ExitStack, monkeypatch: pytest.MonkeyPatch, how: str, tunnel: str) -> None:
    hub = stack.enter_context(TlsHub(DATA, how))
    if tunnel:
        proxy = stack.enter_context(Tunnel(hub.port, tunnel))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    else:
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setenv("HF_ENDPOINT", f"https://127.0.0.1:{hub.port}")


SLOW = [("handshake", ""), ("header", ""), ("chunks", ""), ("handshake", "ok"), ("header", "ok"), ("chunks", "ok"),
        ("ok", "header"), ("ok", "status")]  # fmt: skip


@pytest.mark.parametrize(("how", "tunnel"), SLOW)
def test_what_drips_is_held_to_the_timeout_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, tunnel: str
) -> None:
    with ExitStack() as stack:
        open_toys(stack, monkeypatch, how, tunnel)
        with pytest.raises(TemporaryFailure, match=r"did not respond for 0\.3 seconds, or not completely"):
            Transfer(WEIGHT, 0.3).run(tmp_path / "x", lambda _: None)


@pytest.mark.parametrize(("how", "tunnel"), [case for case in SLOW if case[0] != "chunks"])
def test_metadata_that_drip_are_held_to_the_timeout_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, how: str, tunnel: str
) -> None:
    with ExitStack() as stack:
        open_toys(stack, monkeypatch, how, tunnel)
        with pytest.raises(TemporaryFailure, match="or not completely"):
            MetadataRequest(WEIGHT, 0.3).ask()


@pytest.mark.parametrize("tunnel", ["", "ok"])
def test_a_whole_answer_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tunnel: str) -> None:
    with ExitStack() as stack:
        open_toys(stack, monkeypatch, "ok", tunnel)
        Transfer(WEIGHT, 20.0).run(tmp_path / "x", lambda _: None)
    assert (tmp_path / "x").read_bytes() == DATA
