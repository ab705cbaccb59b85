"""Downloads against a server, processes and disks that misbehave."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.toy_hub import PATH, PIECE, ToyHub, record

from underdrawing.core import files
from underdrawing.core.errors import FetchFailed, WeightsMissing
from underdrawing.core.weights import download
from underdrawing.core.weights.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
DATA = random.Random(7).randbytes(60 * PIECE + 123)
WEIGHT = record(DATA)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "UNDERDRAWING_WEIGHTS", "UNDERDRAWING_HOSTS", "UNDERDRAWING_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "20")
    monkeypatch.setattr(download, "POLL", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ToyHub]]:
    hubs: list[ToyHub] = []

    def start(*script: str, data: bytes = DATA) -> ToyHub:
        hub = ToyHub({PATH: data}, list(script)).__enter__()
        hubs.append(hub)
        monkeypatch.setenv("HF_ENDPOINT", hub.url + "/")
        return hub

    yield start
    for hub in hubs:
        hub.__exit__(None, None, None)


def names(store: Store) -> set[str]:
    return {p.name for p in store.cache.rglob("*") if p.is_file()} - {"hashes.json"}


def good(store: Store, path: Path) -> None:
    assert path.read_bytes() == DATA
    assert names(store) == {WEIGHT.file}
    assert store.find(WEIGHT) == path


def test_a_mirror_is_asked_and_progress_told(store: Store, serve: Callable[..., ToyHub]) -> None:
    hub, seen = serve(), list[tuple[int, int]]()
    good(store, store.fetch(WEIGHT, lambda done, size: seen.append((done, size))))
    assert [path for path, _ in hub.requests] == [PATH]
    assert seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    store.fetch(WEIGHT)
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    "script", [["503", "503"], ["429"], ["cut"], ["cut", "500", "cut"], ["stall"], ["trickle"], ["408", "stall"]]
)
def test_passing_trouble_is_outlasted_without_fetching_twice(
    store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch, script: list[str]
) -> None:
    if {"stall", "trickle"} & set(script):
        monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "2")
    hub = serve(*script)
    good(store, store.fetch(WEIGHT))
    assert hub.sent <= len(DATA) + 20
    assert len(hub.requests) == len(script) + 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (["401"], ["HF_TOKEN", "401"]),
        (["403"], ["HF_TOKEN", "403"]),
        (["404"], ["404", "HF_ENDPOINT"]),
        (["407"], ["proxy", "407", "http_proxy"]),
        (["418"], ["418"]),
        (["short"], [str(len(DATA) - 10), str(len(DATA))]),
        (["long"], [str(len(DATA) + 10), str(len(DATA))]),
        (["503"] * 20, ["503", "try again later"]),
        (["dead"] * 20, ["connection failed after 5 attempts", "did not respond for 0.2 seconds"]),
    ],
)
def test_lasting_trouble_is_named(
    store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch, script: list[str], words: list[str]
) -> None:
    if "dead" in script:
        monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "0.2")
    serve(*script)
    with pytest.raises(FetchFailed) as caught:
        store.fetch(WEIGHT)
    assert all(word in str(caught.value) for word in [*words, WEIGHT.id])
    assert not names(store) - {f"{WEIGHT.sha256}.part"}
    assert store.find(WEIGHT) is None


def test_wrong_bytes_are_put_aside_with_both_hashes(store: Store, serve: Callable[..., ToyHub]) -> None:
    serve("wrong")
    with pytest.raises(FetchFailed) as caught:
        store.fetch(WEIGHT)
    zeros = files.hashlib.sha256(bytes(len(DATA))).hexdigest()
    assert WEIGHT.sha256 in str(caught.value)
    assert zeros in str(caught.value)
    assert names(store) == {f"{WEIGHT.sha256}.bad"}
    store.fetch(WEIGHT)
    assert names(store) == {f"{WEIGHT.sha256}.bad", WEIGHT.file}


def test_a_damaged_part_is_fetched_anew_once(store: Store, serve: Callable[..., ToyHub]) -> None:
    hub = serve()
    part = store.cache / "parts" / f"{WEIGHT.sha256}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(PIECE))
    good(store, store.fetch(WEIGHT))
    assert [headers.get("Range") for _, headers in hub.requests] == [f"bytes={PIECE}-", None]


@pytest.mark.parametrize("how", ["no_range", "bad_range", "416"])
def test_a_server_that_cannot_resume_is_read_from_the_start(
    store: Store, serve: Callable[..., ToyHub], how: str
) -> None:
    hub = serve("cut", how)
    good(store, store.fetch(WEIGHT))
    assert len(hub.requests) == (2 if how == "no_range" else 3)


def test_a_part_that_is_too_long_is_not_used(store: Store, serve: Callable[..., ToyHub]) -> None:
    hub = serve()
    part = store.cache / "parts" / f"{WEIGHT.sha256}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(len(DATA) + 1))
    good(store, store.fetch(WEIGHT))
    assert "Range" not in hub.requests[0][1]


def test_the_token_goes_to_the_endpoint_only(
    store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    elsewhere = serve()
    first = serve(f"redirect:{elsewhere.url.replace('127.0.0.1', 'localhost')}")
    good(store, store.fetch(WEIGHT))
    assert first.requests[0][1]["Authorization"] == "Bearer hf_secret"
    assert "Authorization" not in elsewhere.requests[0][1]


def test_an_unreachable_server_or_proxy_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "1")  # pauses are in proportion to it
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.1:9 cannot be reached.*connection refused"):
        store.fetch(WEIGHT)
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    with pytest.raises(FetchFailed, match="cannot be reached through the proxy"):
        store.fetch(WEIGHT)


def test_offline_always_wins(store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "always")
    for ask in (store.fetch, store.require):
        with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE"):
            ask(WEIGHT)
    assert not hub.requests


@pytest.mark.parametrize("sha256", ["", files.EMPTY_SHA256, "abc"])
def test_a_record_without_a_real_hash_is_never_fetched(store: Store, serve: Callable[..., ToyHub], sha256: str) -> None:
    hub = serve()
    with pytest.raises(FetchFailed, match="record has no hash"):
        store.fetch(record(DATA, sha256=sha256))
    assert not hub.requests


def test_a_full_disk_is_told_before_the_first_byte(
    store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = serve()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 5000, 5000))  # type: ignore[attr-defined]
    with pytest.raises(FetchFailed, match=f"{len(DATA)} bytes needed, 5000 bytes free"):
        store.fetch(WEIGHT)
    assert not hub.requests
    assert names(store) == set()


CHILD = """
    import sys
    from pathlib import Path
    from tests.support.toy_hub import record
    from tests.faults.test_download import WEIGHT
    from underdrawing.core.weights import download
    from underdrawing.core.errors import FetchFailed
    from underdrawing.core.weights.store import Store
    download.POLL = 0.02
    if "noclaim" in sys.argv:
        download._take = lambda claim, tag: True
    if "limit" in sys.argv:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        print(Store(Path(sys.argv[1])).fetch(WEIGHT))
    except FetchFailed as error:
        sys.exit(str(error))
"""


def child(cache: Path, *words: str) -> subprocess.Popen[str]:
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / ".dev"), str(ROOT)])}
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(cache), *words]
    return subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def largest(folder: Path) -> int:
    """Size of the largest file of a folder, 0 while there is none."""
    return max((p.stat().st_size for p in folder.glob("*")), default=0)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait as long as the process lives."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="a dead process cannot be told apart there until its files are old")
def test_a_killed_download_is_resumed(
    store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "120")  # the child waits for the second half until it is killed
    hub = serve("stall")
    process = child(store.cache)
    wait_for(lambda: largest(store.cache / "parts") > len(DATA) // 4, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = {p.name for p in (store.cache / "parts").iterdir()}
    assert len(left) == 2  # its part and its claim
    have = largest(store.cache / "parts")
    good(store, store.fetch(WEIGHT))
    assert hub.requests[1][1]["Range"] == f"bytes={have}-"


@pytest.mark.parametrize(("count", "word"), [(8, "claim"), (3, "noclaim")])
def test_processes_that_fetch_at_once_all_succeed(
    store: Store, serve: Callable[..., ToyHub], count: int, word: str
) -> None:
    hub = serve(*["slow"] * count)
    results = [process.communicate() for process in [child(store.cache, word) for _ in range(count)]]
    assert [error for _, error in results] == [""] * count
    good(store, store.fetch(WEIGHT))
    assert hub.sent <= len(DATA) * (1 if word == "claim" else count)


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
def test_a_disk_that_fills_up_keeps_what_has_come(store: Store, serve: Callable[..., ToyHub]) -> None:
    hub = serve()
    _, error = child(store.cache, "limit").communicate()
    assert f"disk is full: {len(DATA)} bytes needed" in error
    assert names(store) == {f"{WEIGHT.sha256}.part"}
    good(store, store.fetch(WEIGHT))
    assert hub.requests[-1][1]["Range"] == "bytes=200000-"


def test_a_file_held_open_stays_as_a_part(
    store: Store, serve: Callable[..., ToyHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    monkeypatch.setattr(files, "RENAME_DELAYS", (0.0, 0.0))
    real = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name == WEIGHT.file:
            raise PermissionError(13, "in use")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(FetchFailed, match="held open") as caught:
        store.fetch(WEIGHT)
    part = store.cache / "parts" / f"{WEIGHT.sha256}.part"
    assert str(part) in str(caught.value)
    assert part.read_bytes() == DATA


def test_nothing_foreign_is_touched(store: Store, serve: Callable[..., ToyHub]) -> None:
    serve("cut")
    parts = store.cache / "parts"
    parts.mkdir(parents=True)
    foreign = [parts / "other.part", parts / f"{'0' * 64}.part", parts / f"{WEIGHT.sha256}.00000000-1-abcdef01.part"]
    for path in foreign:
        path.write_bytes(b"mine")
    store.fetch(WEIGHT)
    assert all(path.read_bytes() == b"mine" for path in foreign)
