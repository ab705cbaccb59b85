"""Servers, disks and variables at their worst: every fetch ends in time, and nobody waits for what is nobody's."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.toy_hub import PATH, ToyHub, record

from underdrawing.core import settings
from underdrawing.core.errors import BadParameter, FetchFailed, WeightsMissing
from underdrawing.core.files import is_process_dead, make_process_tag, parse_count
from underdrawing.core.installation import extensions_folder
from underdrawing.core.weights import download
from underdrawing.core.weights.failures import TemporaryFailure
from underdrawing.core.weights.http import Transfer
from underdrawing.core.weights.pin_on_first_use import MetadataRequest
from underdrawing.core.weights.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = bytes(range(256)) * 4
WEIGHT = record(DATA)
FOLDERS = ("UNDERDRAWING_CACHE", "UNDERDRAWING_WEIGHTS", "UNDERDRAWING_HOSTS", "HF_HOME", "HF_HUB_CACHE",
           "XDG_CACHE_HOME", "AUX_ANNOTATOR_CKPTS_PATH")  # fmt: skip


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ToyHub]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "UNDERDRAWING_DOWNLOAD", *FOLDERS):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(download, "POLL", 0.02)
    with ToyHub({PATH: DATA}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.mark.parametrize("how", ["drip", "chunks"])
def test_an_answer_that_drips_is_held_to_the_timeout_as_a_whole(hub: ToyHub, tmp_path: Path, how: str) -> None:
    hub.script[:] = [how]
    with pytest.raises(TemporaryFailure, match=r"did not respond for 0\.3 seconds, or not completely"):
        Transfer(WEIGHT, 0.3).run(tmp_path / "x", lambda _: None)
    assert len(hub.requests) == 1


def test_metadata_that_drips_are_held_to_the_timeout_as_a_whole(hub: ToyHub) -> None:
    hub.questions[:] = ["drip"]
    with pytest.raises(TemporaryFailure, match="or not completely"):
        MetadataRequest(WEIGHT, 0.3).ask()


def test_a_proxy_that_drips_is_held_to_the_timeout_as_a_whole(
    hub: ToyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.script[:] = ["drip"]
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", hub.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    hub.files[f"http://hub.invalid{PATH}"] = DATA
    with pytest.raises(TemporaryFailure, match="or not completely"):
        Transfer(WEIGHT, 0.3).run(tmp_path / "x", lambda _: None)


def test_after_a_drip_the_next_attempt_succeeds(hub: ToyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "0.5")
    hub.script[:] = ["drip", "chunks"]
    assert Store(tmp_path / "cache").fetch(WEIGHT).read_bytes() == DATA


@pytest.mark.parametrize("value", ["²", "1²", "٣".encode().decode("latin-1"), "-5", "1e3", "9" * 5000, "", "1 2"])
@pytest.mark.parametrize("header", ["Content-Length", "Retry-After", "Content-Range"])
def test_a_number_that_is_none_is_no_traceback(hub: ToyHub, tmp_path: Path, header: str, value: str) -> None:
    hub.headers[header] = f"bytes {value}-{value}/{value}" if header == "Content-Range" else value
    hub.script[:] = ["429" if header == "Retry-After" else "ok"]
    path = tmp_path / "x"
    path.write_bytes(DATA[:100] if header == "Content-Range" else b"")
    try:
        Transfer(WEIGHT, 2.0).run(path, lambda _: None)
    except (TemporaryFailure, FetchFailed) as error:
        assert getattr(error, "after", None) is None or header != "Retry-After"  # noqa: PT017
    else:
        assert path.read_bytes() == DATA


@pytest.mark.parametrize("value", ["²", "9" * 5000, "-1"])
def test_a_size_that_is_no_number_is_no_size(hub: ToyHub, value: str) -> None:
    hub.questions[:] = [f"header:X-Linked-Size:{value}"]
    assert MetadataRequest(WEIGHT, 2.0).ask().size == 0


@given(st.text())
def test_only_plain_digits_are_a_count(text: str) -> None:
    number = parse_count(text)
    assert number is None or text.strip(" \t").lstrip("0") in (str(number), "")


def test_a_tag_with_odd_digits_is_no_process() -> None:
    host = make_process_tag().partition("-")[0]
    for number in ("²", "9" * 5000, "0", ""):
        assert not is_process_dead(f"{host}-{number}-00")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, opened = Store(tmp_path / "cache"), os.open

    def fill(path: Any, flags: int, mode: int = 0o777) -> int:
        handle = opened(path, flags, mode)
        if not str(path).endswith(".claim"):
            return handle
        os.close(handle)
        return opened("/dev/full", os.O_WRONLY)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fill)
        with pytest.raises(FetchFailed, match="disk is full"):
            store.fetch(WEIGHT)
    assert not [path for path in store.cache.rglob("*") if path.is_file()]
    assert store.fetch(WEIGHT).read_bytes() == DATA


def test_an_empty_claim_of_another_process_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "cache")
    claim = store.cache / "parts" / f"{WEIGHT.sha256}.claim"
    claim.parent.mkdir(parents=True)
    claim.touch()
    old = time.time() - download.EMPTY_STALE - 1
    os.utime(claim, (old, old))

    def wait(_seconds: float) -> None:
        assert not claim.exists(), "it waits for nobody"

    monkeypatch.setattr(time, "sleep", wait)
    assert store.fetch(WEIGHT).read_bytes() == DATA


def test_a_claim_is_taken_back_where_its_holder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(os, "fdopen", fail)
    with pytest.raises(OSError, match="quota"):
        download._try_claim(tmp_path / "x.claim", "tag")  # pyright: ignore[reportPrivateUsage]
    assert not (tmp_path / "x.claim").exists()


@pytest.mark.parametrize("hub_says", ["", "1"])
def test_offline_for_transformers_is_offline(
    hub: ToyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub_says: str
) -> None:
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", hub_says)
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "always")
    store = Store(tmp_path / "cache")
    for ask in (store.fetch, store.require):
        with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE" if hub_says else "TRANSFORMERS_OFFLINE"):
            ask(WEIGHT)
    assert not hub.requests


def test_a_useless_value_names_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "perhaps")
    with pytest.raises(BadParameter, match="TRANSFORMERS_OFFLINE: 'perhaps'"):
        settings.OFFLINE.read()
    assert [fault.name for fault in settings.find_faults({"TRANSFORMERS_OFFLINE": "perhaps"})] == [
        "TRANSFORMERS_OFFLINE"
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_user_without_a_home_folder_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "~nobody-has-this-name/x")
    variable = next(one for one in settings.VARIABLES if one.name == name)
    with pytest.raises(BadParameter, match=f"{name}: .*without a home folder"):
        variable.read()


def test_a_path_of_a_user_without_a_home_folder_is_named() -> None:
    with pytest.raises(BadParameter, match="without a home folder"):
        extensions_folder("comfyui", Path("~nobody-has-this-name/ComfyUI"))
