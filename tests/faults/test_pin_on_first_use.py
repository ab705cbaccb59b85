"""Files whose records state no hash: what the hub states is pinned on first use, and held to afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save
from tests.support.toy_hub import FILE, PIECE, REPO, ToyHub, record

from underdrawing.core.errors import BadWeights, FetchFailed, UnsafeFile, WeightsMissing
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.core.weights import pin_on_first_use
from underdrawing.core.weights.pins import Pin
from underdrawing.core.weights.record import Weight
from underdrawing.core.weights.search_paths import find_cached_path
from underdrawing.core.weights.store import ABSENT, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


def tensor_file(seed: int) -> bytes:
    numbers = torch.frombuffer(bytearray(random.Random(seed).randbytes(20 * PIECE + 7)), dtype=torch.uint8)
    return save({"a": numbers})


DATA, OTHER = tensor_file(11), tensor_file(12)
DIGEST, OTHER_DIGEST = hashlib.sha256(DATA).hexdigest(), hashlib.sha256(OTHER).hexdigest()
WEIGHT = Weight(repo=REPO, file=FILE, sha256="", size=0, licence="MIT", commercial=True)
FIRST, SECOND = "1" * 40, "2" * 40


def at(revision: str, file: str = FILE) -> str:
    return f"/{REPO}/resolve/{revision}/{file}"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("UNDERDRAWING_", "HF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "20")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyHub]:
    with ToyHub({at("main"): DATA, at(FIRST): DATA}) as server:
        server.commit = FIRST
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def replaced(hub: ToyHub) -> None:
    """Let the hub have another file from now on, and forget the old commit."""
    hub.files, hub.commit = {at("main"): OTHER, at(SECOND): OTHER}, SECOND


def pin_file(store: Store) -> Path:
    return store.cache / "pins" / REPO / f"{FILE}.json"


def test_the_first_fetch_pins_what_the_hub_states(store: Store, hub: ToyHub) -> None:
    assert store.find(WEIGHT) is None
    path = store.fetch(WEIGHT)
    assert path.read_bytes() == DATA
    assert json.loads(pin_file(store).read_text()) == {
        "sha256": DIGEST,
        "size": len(DATA),
        "revision": FIRST,
        "origin": "hub",
    }
    assert [path for path, _ in hub.asked] == [at("main")]
    assert [path for path, _ in hub.requests] == [at(FIRST)], "fetched at the commit that was stated"
    assert store.find(WEIGHT) == path
    assert store.complete(WEIGHT).sha256 == DIGEST
    assert store.fetch(WEIGHT) == store.require(WEIGHT) == path
    assert len(hub.requests) == len(hub.asked) == 1
    assert "not pinned by this project: hash as the hub stated it on first use" in store.verify(WEIGHT).reason
    assert store.verify(WEIGHT).ok


def test_consent_is_asked_as_for_any_file(store: Store, hub: ToyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsMissing, match=f"weights fetch {REPO}/{FILE}.*size not known|size not known") as caught:
        store.require(WEIGHT)
    assert "not pinned by this project" in str(caught.value)
    assert f"--as {REPO}/{FILE}" in str(caught.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE"):
        store.fetch(WEIGHT)
    assert not hub.asked
    assert not hub.requests
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "always")
    assert store.require(WEIGHT).read_bytes() == DATA


@pytest.mark.parametrize("how", ["git", "stated:", "stated:abc", f"stated:{hashlib.sha256(b'').hexdigest()}"])
def test_a_hub_that_states_no_hash_is_refused(store: Store, hub: ToyHub, how: str) -> None:
    hub.questions[:] = [how]
    with pytest.raises(FetchFailed, match="states no sha256") as caught:
        store.fetch(WEIGHT)
    assert f"weights import FILE --as {REPO}/{FILE}" in str(caught.value)
    assert not hub.requests
    assert not store.cache.exists()


@pytest.mark.parametrize(("how", "word"), [("404", "404"), ("401", "HF_TOKEN"), ("dead", "did not respond")])
def test_a_hub_that_refuses_is_named(
    store: Store, hub: ToyHub, monkeypatch: pytest.MonkeyPatch, how: str, word: str
) -> None:
    if how == "dead":
        monkeypatch.setenv("UNDERDRAWING_TIMEOUT", "0.4")
    hub.questions[:] = [how] * 9
    with pytest.raises(FetchFailed, match=word):
        store.fetch(WEIGHT)
    assert not pin_file(store).exists()


def test_a_busy_hub_is_asked_again_and_a_moved_repository_followed(store: Store, hub: ToyHub) -> None:
    hub.files["/new/name"] = DATA
    hub.questions[:] = ["503", "moved:/new/name"]
    assert store.fetch(WEIGHT).read_bytes() == DATA
    assert [path for path, _ in hub.asked] == [at("main"), at("main"), "/new/name"]


def test_the_token_is_not_sent_elsewhere(store: Store, hub: ToyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with ToyHub({at("main"): OTHER}) as elsewhere:
        hub.questions[:] = [f"moved:{elsewhere.url}{at('main')}"]
        with pytest.raises(FetchFailed, match="states no sha256"):
            store.fetch(WEIGHT)
        assert not elsewhere.asked
    assert hub.asked[0][1]["Authorization"] == "Bearer hf_secret"


def test_bytes_other_than_stated_are_refused_and_nothing_stays_pinned(store: Store, hub: ToyHub) -> None:
    hub.questions[:] = [f"stated:{OTHER_DIGEST}"]
    with pytest.raises(FetchFailed, match="moved to") as caught:
        store.fetch(WEIGHT)
    assert DIGEST in str(caught.value)
    assert OTHER_DIGEST in str(caught.value)
    assert store.find(WEIGHT) is None
    assert not pin_file(store).exists()
    assert store.fetch(WEIGHT).read_bytes() == DATA


def test_a_file_that_changed_is_refused_and_both_hashes_named(store: Store, hub: ToyHub) -> None:
    store.fetch(WEIGHT).unlink()
    replaced(hub)
    for _ in range(2):
        with pytest.raises(
            FetchFailed, match=f"states the sha256 {OTHER_DIGEST} now, but {DIGEST} was pinned"
        ) as caught:
            store.fetch(WEIGHT)
        assert str(pin_file(store)) in str(caught.value)
    assert store.find(WEIGHT) is None
    pin_file(store).unlink()
    assert store.fetch(WEIGHT).read_bytes() == OTHER


def test_the_pinned_commit_is_fetched_while_the_hub_has_it(store: Store, hub: ToyHub) -> None:
    store.fetch(WEIGHT).unlink()
    hub.files |= {at("main"): OTHER, at(SECOND): OTHER}
    hub.commit = SECOND
    assert store.fetch(WEIGHT).read_bytes() == DATA
    assert hub.requests[-1][0] == at(FIRST)


def test_other_bytes_at_the_pinned_commit_are_refused(store: Store, hub: ToyHub) -> None:
    store.fetch(WEIGHT).unlink()
    hub.files[at(FIRST)] = OTHER
    with pytest.raises(FetchFailed, match=DIGEST):
        store.fetch(WEIGHT)


def test_a_changed_file_on_this_machine_is_not_used(store: Store, hub: ToyHub) -> None:
    path = store.fetch(WEIGHT)
    path.write_bytes(OTHER)
    assert store.find(WEIGHT) is None
    assert OTHER_DIGEST in store.verify(WEIGHT).reason
    assert store.fetch(WEIGHT).read_bytes() == DATA


def test_files_without_a_pin_are_never_picked_up(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lying = [
        tmp_path / "given" / FILE,
        find_cached_path(store.cache, WEIGHT),
        tmp_path / f"hub/hub/models--{REPO.replace('/', '--')}/snapshots/main" / FILE,
        tmp_path / "host/models/ControlNetPreprocessor" / FILE,
    ]
    for path in lying:
        path.parent.mkdir(parents=True)
        path.write_bytes(DATA)
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path / "given"))
    monkeypatch.setenv("UNDERDRAWING_HOSTS", str(tmp_path / "host"))
    assert store.find(WEIGHT) is None
    assert store.verify(WEIGHT) == (False, None, ABSENT)
    with pytest.raises(WeightsMissing) as caught:
        store.require(WEIGHT)
    assert f"weights import '{lying[0]}' --as {REPO}/{FILE}" in str(caught.value)
    store.import_as(lying[0], WEIGHT)
    for path in lying:
        assert store.find(WEIGHT) == path, "what is pinned is found wherever it lies"
        path.unlink()
    assert store.find(WEIGHT) is None


def test_importing_declares_a_file(store: Store, tmp_path: Path) -> None:
    mine, wrong, empty = tmp_path / "mine.bin", tmp_path / "wrong.bin", tmp_path / "empty.bin"
    mine.write_bytes(DATA)
    wrong.write_bytes(OTHER)
    empty.write_bytes(b"")
    with pytest.raises(BadWeights, match=r"none of the weights known here.*--as ID"):
        store.import_file(mine, [WEIGHT])
    assert store.import_as(mine, WEIGHT) == WEIGHT
    assert store.find(WEIGHT) == find_cached_path(store.cache, WEIGHT)
    assert "declared" in store.verify(WEIGHT).reason
    assert store.import_as(mine, WEIGHT) == store.import_file(mine, [WEIGHT]) == WEIGHT
    with pytest.raises(BadWeights, match=f"has the sha256 {OTHER_DIGEST}.*{DIGEST}") as caught:
        store.import_as(wrong, WEIGHT)
    assert str(pin_file(store)) in str(caught.value)
    with pytest.raises(BadWeights, match="is empty"):
        store.import_as(empty, WEIGHT)
    with pytest.raises(BadWeights, match=r"get the right file$"):
        store.import_as(wrong, record(DATA))


def test_a_damaged_pin_is_told_and_not_forgotten(store: Store, hub: ToyHub) -> None:
    store.fetch(WEIGHT)
    for text in ("{", "[]", json.dumps({"sha256": "x", "size": 1, "revision": "", "origin": "hub"})):
        pin_file(store).write_text(text)
        assert store.find(WEIGHT) is None
        assert "damaged" in store.verify(WEIGHT).reason
        assert "damaged" in store.describe_pin(WEIGHT)
        for ask in (store.fetch, store.require, store.read_tensors):
            with pytest.raises(BadWeights, match=r"pin of its first use is damaged.*net\.safetensors\.json"):
                ask(WEIGHT)
    assert len(hub.requests) == 1


def test_a_hash_without_a_size_is_pinned_all_the_same(store: Store, hub: ToyHub) -> None:
    weight = record(DATA, size=0, revision="main")
    hub.questions[:] = [f"stated:{OTHER_DIGEST}", "git"]
    with pytest.raises(FetchFailed, match=f"{OTHER_DIGEST}, the record says {DIGEST}"):
        store.fetch(weight)
    path = store.fetch(weight)
    assert path.read_bytes() == DATA
    assert not (store.cache / "pins").exists()
    assert store.find(weight) == path
    assert store.describe_pin(weight) == ""
    path.write_bytes(DATA + b"x")
    assert store.find(weight) is None
    assert not store.verify(weight).ok


def test_what_the_file_holds_is_still_checked(store: Store, tmp_path: Path) -> None:
    weight = Weight(repo=REPO, file="net.pth", sha256="", size=0, licence="MIT", commercial=True)
    torch.save({"a": torch.nn.Linear(1, 1)}, tmp_path / "bad.pth")
    with pytest.raises(UnsafeFile, match=r"torch\.nn\.modules\.linear\.Linear"):
        store.import_as(tmp_path / "bad.pth", weight)
    assert store.find(weight) is None
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pth")
    store.import_as(tmp_path / "good.pth", weight)
    assert set(store.read_tensors(weight)[0]) == {"a"}
    digest = store.complete(weight).sha256
    assert (store.cache / "converted" / f"{digest}.safetensors").is_file()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "net.ckpt"])
@pytest.mark.parametrize("given", ["mine.safetensors", "mine.pth", "mine"])
def test_a_declared_file_is_read_whatever_its_ending(store: Store, tmp_path: Path, name: str, given: str) -> None:
    weight = Weight(repo=REPO, file=name, sha256="", size=0, licence="MIT", commercial=True)
    if given.endswith("pth"):
        torch.save({"a": torch.ones(2)}, tmp_path / given)
    else:
        write_safetensors(tmp_path / given, {"a": torch.ones(2)}, {})
    store.import_as(tmp_path / given, weight)
    assert torch.equal(store.read_tensors(weight)[0]["a"], torch.ones(2))


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"PK\x03\x04 no checkpoint", b"\x10" + bytes(7) + b"{"])
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_declared_file_that_cannot_be_read_is_refused_at_once(
    store: Store, tmp_path: Path, name: str, content: bytes
) -> None:
    weight = Weight(repo=REPO, file=name, sha256="", size=0, licence="MIT", commercial=True)
    (tmp_path / "mine").write_bytes(content)
    with pytest.raises((BadWeights, UnsafeFile)):
        store.import_as(tmp_path / "mine", weight)
    assert store.find(weight) is None
    assert not store.pins.path(weight).exists()


def test_tensors_are_no_graph(store: Store, tmp_path: Path) -> None:
    weight = Weight(repo=REPO, file="net.onnx", sha256="", size=0, licence="MIT", commercial=True)
    write_safetensors(tmp_path / "mine", {"a": torch.ones(2)}, {})
    with pytest.raises(BadWeights, match="another kind of file"):
        store.import_as(tmp_path / "mine", weight)


def test_maps_tell_the_real_hash(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core import execute
    from underdrawing.preprocessors import registry

    hed = registry.resolve("hed").annotator
    write_safetensors(tmp_path / "net.safetensors", {"a": torch.ones(1)}, {})
    store.import_as(tmp_path / "net.safetensors", WEIGHT)

    def this(_: object) -> tuple[Weight, ...]:
        return (WEIGHT,)

    monkeypatch.setattr(hed, "weights_for", staticmethod(this))
    monkeypatch.setattr(execute, "get_store", lambda: store)
    annotator = hed(placement=None, defaults=hed.params())  # type: ignore[arg-type]
    assert execute._build_info(annotator, hed.params(), 64)["weights"] == {WEIGHT.id: store.complete(WEIGHT).sha256}


def test_of_two_first_uses_one_holds(store: Store) -> None:
    one, two = (Pin(sha256=c * 64, size=1, revision="main", origin="hub") for c in "ab")
    assert store.pins.add(WEIGHT, one) == one
    assert store.pins.add(WEIGHT, two) == one
    assert store.pins.get(WEIGHT) == one
    assert [path.name for path in pin_file(store).parent.iterdir()] == [pin_file(store).name]


def test_a_file_system_without_hard_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", refuse)
    one = Pin(sha256="a" * 64, size=1, revision="main", origin="hub")
    assert store.pins.add(WEIGHT, one) == store.pins.get(WEIGHT) == one


CHILD = """
    import sys
    from pathlib import Path
    from tests.faults.test_pin_on_first_use import WEIGHT
    from underdrawing.core.errors import FetchFailed
    from underdrawing.core.weights.store import Store
    try:
        print(Store(Path(sys.argv[1])).fetch(WEIGHT))
    except FetchFailed as error:
        sys.exit(str(error))
"""


def children(cache: Path, count: int) -> list[tuple[str, str]]:
    around = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / ".dev"), str(ROOT)])}
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(cache)]
    started = [
        subprocess.Popen(command, env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [process.communicate() for process in started]


def test_processes_that_use_it_first_at_once_agree(store: Store, hub: ToyHub) -> None:
    hub.script[:] = ["slow"] * 2
    assert [error for _, error in children(store.cache, 2)] == [""] * 2
    assert store.find(WEIGHT) == find_cached_path(store.cache, WEIGHT)
    assert store.complete(WEIGHT).sha256 == DIGEST


def test_another_process_that_was_told_another_hash_comes_first(
    store: Store, hub: ToyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Pin(sha256=OTHER_DIGEST, size=len(OTHER), revision=SECOND, origin="hub")

    def told(weight: Weight) -> pin_on_first_use.HubMetadata:
        Store(store.cache).pins.add(weight, other)
        return pin_on_first_use.HubMetadata(FIRST, DIGEST, len(DATA))

    monkeypatch.setattr(pin_on_first_use, "ask_hub", told)
    with pytest.raises(FetchFailed, match=f"states the sha256 {DIGEST} now, but {OTHER_DIGEST} was pinned"):
        store.fetch(WEIGHT)
    assert store.pins.get(WEIGHT) == other
    assert not hub.requests


def elsewhere(server: ToyHub, sha256: str = DIGEST) -> Weight:
    """Record of a file that no hub keeps."""
    return record(DATA, sha256=sha256, size=0, url=f"{server.url}/published/{FILE}", revision="main")


@pytest.mark.parametrize("moved", [False, True], ids=["straight", "from another server"])
def test_a_file_with_an_address_of_its_own(
    store: Store, hub: ToyHub, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with ToyHub({f"/published/{FILE}": DATA}) as storage, ToyHub({}) as front:
        storage.questions[:] = ["git"]
        front.questions[:] = [f"moved:{storage.url}/published/{FILE}"]
        front.script[:] = [f"redirect:{storage.url}"]
        weight = elsewhere(front if moved else storage)
        assert store.fetch(weight).read_bytes() == DATA
        told = [*storage.asked, *storage.requests, *front.asked, *front.requests]
    assert len(told) == (4 if moved else 2)
    assert not any("Authorization" in headers for _, headers in told)
    assert not hub.asked
    assert not hub.requests


def test_a_file_with_an_address_of_its_own_and_no_hash_is_for_the_user_to_get(store: Store) -> None:
    with ToyHub({f"/published/{FILE}": DATA}) as server:
        server.questions[:] = ["git"]
        weight = elsewhere(server, sha256="")
        with pytest.raises(FetchFailed, match="its server states no sha256") as failed:
            store.fetch(weight)
    assert failed.value.fix == f"get {weight.url} yourself, then `underdrawing weights import FILE --as {weight.id}`"
    assert not server.requests


def test_what_fails_at_an_address_of_its_own_says_how_to_go_on(store: Store) -> None:
    with ToyHub({}) as server:
        weight = elsewhere(server)
        with pytest.raises(FetchFailed, match="404") as failed:
            store.fetch(weight)
    assert failed.value.fix == f"get {weight.url} yourself, then `underdrawing weights import FILE`"
