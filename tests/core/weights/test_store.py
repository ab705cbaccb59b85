"""Where weights are found, what consent means, and what is used of a file."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
import torch
from tests.support.toy_hub import FILE, REPO, REVISION, record

from underdrawing.core.errors import BadParameter, BadWeights, FetchFailed, UnsafeFile, WeightsMissing
from underdrawing.core.files import EMPTY_SHA256, hash_file
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.core.weights import download, hashes, search_paths
from underdrawing.core.weights import store as store_module
from underdrawing.core.weights.record import Weight
from underdrawing.core.weights.store import Store

DATA = bytes(range(256)) * 40
WEIGHT = record(DATA, file="sub/net.pth", known_as=("other_name.pth",))
SWITCHES = (
    "HF_HUB_OFFLINE",
    "UNDERDRAWING_WEIGHTS",
    "UNDERDRAWING_HOSTS",
    "UNDERDRAWING_DOWNLOAD",
    "AUX_ANNOTATOR_CKPTS_PATH",
)


def forbidden(*_: object, **__: object) -> None:
    pytest.fail("this must not happen")


def pretended(weight: Weight, target: Path, parts: Path, progress: object) -> Path:
    return target


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(download, "download", forbidden)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def put(path: Path, data: bytes = DATA) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


HUB = f"models--{REPO.replace('/', '--')}/snapshots/{REVISION}/sub/net.pth"
KNOWN = [
    f"custom_nodes/comfyui_controlnet_aux/ckpts/{REPO}/sub/net.pth",
    "custom_nodes/My Pack [1]/ckpts/net.pth",
    "models/ControlNetPreprocessor/things/net.pth",
    "models/ControlNetPreprocessor/other_name.pth",
    "models/ControlNet/net.pth",
    "models/controlnet/net.pth",
    "extensions/sd-webui-controlnet/annotator/downloads/hed/net.pth",
    "extensions/sd-webui-controlnet/models/other_name.pth",
    "annotator/ckpts/net.pth",
]


@pytest.mark.parametrize("inside", KNOWN)
def test_files_of_hosts_and_packs_are_used_in_place(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    path = put(tmp_path / "host" / inside)
    assert store.find(WEIGHT) is None
    monkeypatch.setenv("UNDERDRAWING_HOSTS", os.pathsep.join([str(tmp_path / "none"), str(tmp_path / "host")]))
    assert store.find(WEIGHT) == path
    assert store.require(WEIGHT) == path
    assert list(tmp_path.rglob("*.pth")) == [path]
    put(path, DATA[:-1] + b"x")
    assert store.find(WEIGHT) is None


def test_the_order_of_places(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_paths, "PACKAGE", tmp_path / "host" / "custom_nodes" / "clone")
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path / "given"))
    monkeypatch.setenv("AUX_ANNOTATOR_CKPTS_PATH", str(tmp_path / "aux"))
    weight = record(DATA, file="sub/net.pth", bundled="net.bin")
    paths = [
        put(tmp_path / "given" / "net.pth"),
        put(tmp_path / "host/custom_nodes/clone/preprocessors/bundled/net.bin"),
        put(tmp_path / "cache" / "weights" / REPO / "sub/net.pth"),
        put(tmp_path / "hub" / HUB),
        put(tmp_path / "aux" / REPO / "sub/net.pth"),
        put(tmp_path / "host/custom_nodes/pack/ckpts" / REPO / "sub/net.pth"),
    ]
    sources = [place.source for place in store.list_locations(weight)]
    assert list(dict.fromkeys(sources)) == ["explicit", "bundled", "cache", "hub", "host"]
    for path in paths:
        assert store.find(weight) == path
        path.unlink()
    assert store.find(weight) is None


def test_each_file_is_hashed_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path / "given"))
    path, hashed = put(tmp_path / "given" / "net.pth"), list[Path]()

    def counted(file: Path) -> str:
        hashed.append(file)
        return hash_file(file)

    monkeypatch.setattr(hashes, "hash_file", counted)
    for _ in range(3):
        assert Store(tmp_path / "cache").find(WEIGHT) == path
    assert len(hashed) == 1
    put(path, bytes(len(DATA)))
    os.utime(path, ns=(1, 1))
    assert Store(tmp_path / "cache").find(WEIGHT) is None
    assert len(hashed) == 2
    (tmp_path / "cache" / "hashes.json").write_text('{"a": 3')
    put(path)
    assert Store(tmp_path / "cache").find(WEIGHT) == path


def test_a_store_that_does_not_remember_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path / "given"))
    put(tmp_path / "given" / "net.pth")
    store = Store(tmp_path / "cache", remember=False)
    assert store.find(WEIGHT)
    assert store.verify(WEIGHT).ok
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("sha256", ["1", EMPTY_SHA256, "x" * 64])
def test_a_record_that_pins_nothing_finds_nothing(store: Store, sha256: str) -> None:
    weight = record(b"", sha256=sha256)
    put(search_paths.find_cached_path(store.cache, weight), b"")
    assert store.find(weight) is None
    assert not store.verify(weight).ok
    with pytest.raises(FetchFailed, match="no hash"):
        store.require(weight)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:x", "a\\..\\x", "x\0", "a/\n", "~/../x"])
@pytest.mark.parametrize("field", ["repo", "file", "bundled"])
def test_names_of_records_stay_inside_their_folders(store: Store, field: str, name: str) -> None:
    with pytest.raises(BadWeights, match="does not stay inside"):
        store.find(record(DATA, **{field: name}))


def test_missing_weights_tell_what_to_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for wish in ("", "ask", "never"):
        monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", wish)
        with pytest.raises(WeightsMissing) as caught:
            store.require(record(DATA, size=29_444_406, commercial=False, licence="CMU academic"))
        says = str(caught.value)
        for word in (
            f"`underdrawing weights fetch {REPO}/{FILE}`",
            "29.4 MB",
            "CMU academic",
            "commercial use: no",
            str(store.cache),
        ):
            assert word in says
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "perhaps")
    with pytest.raises(BadParameter, match="ask, always or never"):
        store.require(WEIGHT)


def test_every_missing_file_is_named_at_once(store: Store) -> None:
    here, lost, more = record(DATA), record(b"lost", file="lost.bin"), record(b"more", file="more.bin", size=2_500_000)
    put(search_paths.find_cached_path(store.cache, here), DATA)
    store.require_each([here])
    with pytest.raises(WeightsMissing) as one:
        store.require_each([here, more])
    with pytest.raises(WeightsMissing) as two:
        store.require_each([lost, here, more])
    assert "missing too" not in str(one.value)
    assert f"missing too: {more.id} (2.5 MB)" in str(two.value)
    assert f"`underdrawing weights fetch {lost.id} {more.id}`" in str(two.value)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "fetched"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_a_terminal_is_asked(store: Store, monkeypatch: pytest.MonkeyPatch, answer: str, fetched: bool) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(download, "download", pretended)
    if fetched:
        assert store.require(WEIGHT) == search_paths.find_cached_path(store.cache, WEIGHT)
    else:
        with pytest.raises(WeightsMissing):
            store.require(WEIGHT)
    assert "[y/N]" in shown.getvalue()
    assert WEIGHT.licence in shown.getvalue()


def test_always_means_no_question(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "always")
    monkeypatch.setattr(download, "download", pretended)
    assert store.require(WEIGHT).name == "net.pth"


def test_bundled_weights_that_are_gone(store: Store) -> None:
    with pytest.raises(WeightsMissing, match="install the package again"):
        store.require(record(DATA, repo="", bundled="gone.bin"))


def test_verify_names_the_fault(store: Store) -> None:
    path = search_paths.find_cached_path(store.cache, WEIGHT)
    assert store.verify(WEIGHT).reason == "not on this machine"
    put(path, DATA[:-1])
    assert f"has {len(DATA) - 1} bytes" in store.verify(WEIGHT).reason
    put(path, bytes(len(DATA)))
    verdict = store.verify(WEIGHT)
    assert not verdict.ok
    assert WEIGHT.sha256 in verdict.reason
    put(path)
    assert store.verify(WEIGHT) == (True, path, "sha256 matches (cache)")


def test_import_recognises_by_content(store: Store, tmp_path: Path) -> None:
    source = put(tmp_path / "downloads" / "whatever.bin")
    other = record(b"other", file="b.pth")
    assert store.import_file(source, [other, WEIGHT]) == WEIGHT
    assert store.find(WEIGHT) == search_paths.find_cached_path(store.cache, WEIGHT)
    assert source.read_bytes() == DATA
    put(source, b"unknown")
    with pytest.raises(BadWeights, match=r"none of the weights known here \(sha256 [0-9a-f]{64}, 7 bytes\)"):
        store.import_file(source, [other, WEIGHT])
    with pytest.raises(BadWeights, match="not a file"):
        store.import_file(tmp_path / "none", [WEIGHT])


def kept(store: Store, path: Path, file: str) -> Weight:
    weight = record(path.read_bytes(), file=file)
    put(search_paths.find_cached_path(store.cache, weight), path.read_bytes())
    return weight


def test_safetensors_are_checked_and_read(store: Store, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x.safetensors", {"a": torch.arange(3.0)}, {"k": "v"})
    tensors, metadata = store.read_tensors(kept(store, tmp_path / "x.safetensors", "x.safetensors"))
    assert torch.equal(tensors["a"], torch.arange(3.0))
    assert metadata == {"k": "v"}
    with pytest.raises(BadWeights):
        store.read_tensors(kept(store, put(tmp_path / "x.safetensors", b"nonsense" * 3), "y.safetensors"))
    with pytest.raises(BadWeights, match=r"\.onnx"):
        store.read_tensors(kept(store, put(tmp_path / "x.onnx"), "x.onnx"))


def test_pickled_files_are_converted_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    content = {"epoch": 7, "state_dict": {"a": shared, "b": shared.t(), "note": "x", "half": torch.ones(2).half()}}
    torch.save(content, tmp_path / "x.pth")
    weight = kept(store, tmp_path / "x.pth", "x.pth")
    first, metadata = store.read_tensors(weight)
    assert metadata["dropped"] == "note"
    monkeypatch.setattr("underdrawing.core.tensor_files.torch_files.read_checkpoint", forbidden)
    second, again = store.read_tensors(weight)
    assert again == metadata
    for tensors in (first, second):
        assert set(tensors) == {"a", "b", "half"}
        assert torch.equal(tensors["b"], shared.t())
        assert tensors["half"].dtype == torch.float16
    assert [p.name for p in (store.cache / "converted").iterdir()] == [f"{weight.sha256}.safetensors"]


def test_a_damaged_conversion_is_made_anew(store: Store, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    weight = kept(store, tmp_path / "x.pt", "x.pt")
    put(store.cache / "converted" / f"{weight.sha256}.safetensors", b"broken")
    assert set(store.read_tensors(weight)[0]) == {"a"}
    write_safetensors(
        store.cache / "converted" / f"{weight.sha256}.safetensors", {"z": torch.ones(1)}, {"source_sha256": "0" * 64}
    )
    assert set(store.read_tensors(weight)[0]) == {"a"}


def test_hostile_and_useless_pickles_are_refused_even_with_a_record(store: Store, tmp_path: Path) -> None:
    torch.save({"a": torch.nn.Linear(1, 1)}, tmp_path / "x.pth")
    with pytest.raises(UnsafeFile, match=r"torch\.nn\.modules\.linear\.Linear"):
        store.read_tensors(kept(store, tmp_path / "x.pth", "x.pth"))
    torch.save({"a": 1}, tmp_path / "y.pth")
    with pytest.raises(BadWeights, match="no tensors"):
        store.read_tensors(kept(store, tmp_path / "y.pth", "y.pth"))
    assert not (store.cache / "converted").exists()


def test_the_process_has_one_store_that_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERDRAWING_CACHE", str(tmp_path / "elsewhere"))
    assert store_module.get_store() is store_module.get_store()
    assert store_module.get_store().cache == tmp_path / "elsewhere"
    monkeypatch.delenv("UNDERDRAWING_CACHE")
    assert store_module.get_store().cache.name == "underdrawing"
