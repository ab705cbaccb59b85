"""``underdrawing weights``, against a small hub on this machine."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save
from tests.support.toy_hub import FILE, PATH, REPO, REVISION, ToyHub, record

from underdrawing.core.errors import BadParameter
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.weights import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command_line import Run

DATA = save({"a": np.frombuffer(random.Random(3).randbytes(50_000), np.uint8)})
CLOSED = random.Random(4).randbytes(1_000)
NET = record(DATA)
NOT_FOR_SALE = record(CLOSED, file="closed.safetensors", licence="CC-BY-NC-4.0", commercial=False)
OPEN = record(DATA, file="open.safetensors", sha256="", size=0, revision="main")
ID = f"{REPO}/{FILE}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ToyHub]:
    """Hub with three files, which are all the records there are."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(catalogue, "records", lambda: {w.id: w for w in (NET, NOT_FOR_SALE, OPEN)})
    stated = {path.replace(FILE, "open.safetensors"): DATA for path in (PATH, PATH.replace(REVISION, "main"))}
    with ToyHub({PATH: DATA, PATH.replace(FILE, "closed.safetensors"): CLOSED, **stated}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_list_has_every_record_of_the_registry(run: Run) -> None:
    listed = json.loads(run("weights", "list", "--json").out)
    assert {entry["id"] for entry in listed} == {w.id for a in registry for w in a.spec.weights}
    for entry in listed:
        assert entry["annotators"]
        assert entry["available"] == bool(entry["bundled"])
        assert (entry["path"] is None) != entry["available"]
    text = run("weights", "list").out
    assert all(entry["id"] in text and entry["licence"] in text for entry in listed)


def test_fetch_is_consent_and_shows_the_licence_first(run: Run, hub: ToyHub, tmp_path: Path) -> None:
    done = run("weights", "fetch", ID)
    assert done.code == 0
    assert "MIT, commercial use allowed" in done.err
    assert Path(done.out.strip()).read_bytes() == DATA
    assert Path(done.out.strip()).is_relative_to(tmp_path / "cache")
    again = run("weights", "fetch", FILE)
    assert (again.code, again.out) == (0, done.out)
    assert len(hub.requests) == 1


@pytest.mark.parametrize(("name", "value"), [("UNDERDRAWING_DOWNLOAD", "never"), ("HF_HUB_OFFLINE", "1")])
def test_what_is_forbidden_is_not_fetched(
    run: Run, hub: ToyHub, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    done = run("weights", "fetch", ID)
    assert done.code == 1
    assert name in done.err
    assert not hub.requests


def test_fetch_needs_to_know_what(run: Run, hub: ToyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("weights", "fetch").code == 2
    unknown = run("weights", "fetch", f"{REPO}/nets.safetensors")
    assert unknown.code == 2
    assert ID in unknown.err
    assert run("weights", "fetch", "--annotator", "nobody").code == 2
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "perhaps")
    assert run("weights", "fetch", ID).code == 2
    assert not hub.requests


def test_commercial_ok_leaves_the_others_out(run: Run, hub: ToyHub) -> None:
    done = run("weights", "fetch", "--all", "--commercial-ok")
    assert done.code == 0
    assert "closed.safetensors left out: 0.0 MB, CC-BY-NC-4.0, not for commercial use" in done.err
    assert [path for path, _ in hub.requests] == [PATH, PATH.replace(FILE, "open.safetensors")]
    assert run("weights", "fetch", "--all", "--accept-noncommercial").code == 0
    assert len(hub.requests) == 3


def test_one_failure_does_not_stop_the_others(run: Run, hub: ToyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.script[:] = ["404"]
    done = run("weights", "fetch", "--all", "--accept-noncommercial")
    assert done.code == 1
    assert f"{ID}: " in done.err
    assert "404" in done.err
    assert [Path(line).name for line in done.out.splitlines()] == ["closed.safetensors", "open.safetensors"]


def test_a_file_of_the_wrong_bytes_is_not_taken(run: Run, hub: ToyHub) -> None:
    hub.script[:] = ["wrong"]
    done = run("weights", "fetch", ID)
    assert done.code == 1
    assert NET.sha256 in done.err
    assert run("weights", "verify", ID).code == 1


def test_verify_hashes_anew(run: Run, hub: ToyHub, tmp_path: Path) -> None:
    nothing = run("weights", "verify")
    assert nothing.code == 0
    assert "absent" in nothing.out
    assert run("weights", "verify", ID).code == 1
    path = Path(run("weights", "fetch", ID).out.strip())
    fine = run("weights", "verify", ID, "--json")
    assert fine.code == 0
    assert json.loads(fine.out)[0] | {"reason": ""} == {"id": ID, "ok": True, "path": str(path), "reason": ""}
    path.write_bytes(DATA[:-1] + b"x" if DATA[-1:] != b"x" else DATA[:-1] + b"y")
    for args in ((), (ID,)):
        wrong = run("weights", "verify", *args)
        assert wrong.code == 1
        assert "WRONG" in wrong.out
        assert NET.sha256 in wrong.out


def test_bundled_weights_verify(run: Run) -> None:
    done = run("weights", "verify", "--json")
    assert done.code == 0
    assert {v["id"] for v in json.loads(done.out) if v["ok"]} == {
        w.id for a in registry for w in a.spec.weights if w.bundled
    }


def test_where_tells_the_folder_and_every_place(run: Run, hub: ToyHub, tmp_path: Path) -> None:
    assert run("weights", "where").out.strip() == str(tmp_path / "cache")
    assert "not on this machine" in run("weights", "where", ID).out
    path = run("weights", "fetch", ID).out.strip()
    assert f"  used  cache     {path}" in run("weights", "where", ID).out.splitlines()


def test_import_knows_a_file_by_its_bytes(run: Run, hub: ToyHub, tmp_path: Path) -> None:
    (tmp_path / "some name.bin").write_bytes(DATA)
    (tmp_path / "other.bin").write_bytes(b"other")
    done = run("weights", "import", tmp_path / "other.bin", tmp_path / "some name.bin", tmp_path / "lost.bin")
    assert done.code == 1
    assert f"some name.bin: {ID}" in done.out
    assert "none of the weights known here" in done.err
    assert "lost.bin: is not a file" in done.err
    assert run("weights", "verify", ID).code == 0
    assert run("weights", "import", tmp_path / "some name.bin").code == 0
    assert not hub.requests


def test_what_is_not_pinned_is_shown_fetched_and_declared(run: Run, hub: ToyHub, tmp_path: Path) -> None:
    listed = run("weights", "list").out
    assert (
        f"{OPEN.id}\n    size not known here, MIT, commercial use allowed; not pinned by this project: the hash"
        in listed
    )
    assert "absent" in run("weights", "verify").out
    assert run("weights", "verify", OPEN.id).code == 1
    (tmp_path / "mine.bin").write_bytes(DATA)
    assert run("weights", "import", tmp_path / "mine.bin", "--as", "nothing").code == 2
    assert run("weights", "import", tmp_path / "mine.bin", tmp_path / "mine.bin", "--as", OPEN.id).code == 2
    done = run("weights", "import", tmp_path / "mine.bin", "--as", OPEN.id)
    assert (done.code, done.out.strip()) == (0, f"{tmp_path / 'mine.bin'}: {OPEN.id}")
    assert "hash of the file that was declared to be it" in run("weights", "verify", OPEN.id).out
    (entry,) = [e for e in json.loads(run("weights", "list", "--json").out) if e["id"] == OPEN.id]
    assert (entry["sha256"], entry["size"], entry["available"]) == (NET.sha256, len(DATA), True)
    assert "declared" in entry["pinned"]
    assert not hub.requests


def test_first_use_is_told_when_it_is_fetched(run: Run, hub: ToyHub) -> None:
    done = run("weights", "fetch", OPEN.id)
    assert done.code == 0, done.err
    assert "not pinned by this project" in done.err
    assert Path(done.out.strip()).read_bytes() == DATA
    assert "hash as the hub stated it on first use" in run("weights", "verify", OPEN.id).out


def test_needs_of_annotators(run: Run) -> None:
    ids = [w.id for w in catalogue.find_needed(["hed"], every=True)]
    assert [w.id for w in catalogue.find_needed(["hed"])] == ids[:1]
    assert ids == ["hed_bsds500.safetensors", "lllyasviel/Annotators/ControlNetHED.pth"]
    assert [w.id for w in catalogue.find_needed(["softedge_hed"])] == ids[1:]
    assert run("weights", "fetch", "hed_bsds500.safetensors").code == 0


def test_an_annotator_needs_what_its_default_parameters_do() -> None:
    (default,) = catalogue.find_needed(["depth_dav2"])
    assert default.commercial
    assert "Small" in default.id
    (large,) = catalogue.find_needed(["depth_dav2"], ["large"])
    assert "Large" in large.id
    (original,) = catalogue.find_needed(["depth_dav2"], ["variant=original", "model=base"])
    assert "vitb" in original.id
    assert {default, large, original} < set(catalogue.find_needed(["depth_dav2"], every=True))
    both = catalogue.find_needed(["depth_dav2", "canny"], ["base"])
    assert len(both) == 1
    for wrong in ("huge", "model=huge", "size=small"):
        with pytest.raises(BadParameter, match="has a choice of weights") as caught:
            catalogue.find_needed(["depth_dav2"], [wrong])
        assert "model=large" in caught.value.fix


def test_what_is_not_for_commercial_use_is_named_first_and_needs_a_yes(
    run: Run, hub: ToyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("weights", "fetch", "--all")
    assert done.code == 1
    assert done.err.index("Not for commercial use, 0.0 MB:") < done.err.index("MIT, commercial use allowed")
    assert "CC-BY-NC-4.0" in done.err
    assert "--accept-noncommercial" in done.err
    assert not any("closed" in path for path, _ in hub.requests)

    def agree(_: str) -> bool:
        return True

    monkeypatch.setattr("underdrawing.core.weights.consent.ask", agree)
    assert run("weights", "fetch", NOT_FOR_SALE.id).code == 0
    assert any("closed" in path for path, _ in hub.requests)
    again = run("weights", "fetch", NOT_FOR_SALE.id)
    assert (again.code, again.err) == (0, "")


def test_a_choice_needs_an_annotator(run: Run, hub: ToyHub) -> None:
    done = run("weights", "fetch", "--model", "small")
    assert done.code == 2
    assert "--annotator" in done.err
    assert run("weights", "fetch", "--annotator", "depth_dav2", "--model", "huge").code == 2
    assert not hub.requests


def test_an_annotator_without_weights_needs_no_fetching(run: Run) -> None:
    done = run("weights", "fetch", "--annotator", "canny")
    assert done.code == 2
    assert "canny needs no weights file" in done.err
