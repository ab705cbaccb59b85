"""The doctor finds seeded faults, and touches nothing."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save

from underdrawing.core.diagnostics import checks, import_checks, packages
from underdrawing.core.diagnostics.report_text import report_lines
from underdrawing.core.registry import Registry
from underdrawing.core.weights.record import Weight
from underdrawing.core.weights.store import Store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.command_line import Run, Start

    from underdrawing.core.diagnostics.packages import Finding

HEALTHY = {
    **dict(packages.read_requirements()),
    "torch": "2.13.0+cpu",
    "numpy": "2.4.0",
    "opencv-python-headless": "4.11.0.86",
}


def wrong(findings: Iterable[Finding]) -> dict[str, Finding]:
    """What is wrong, by topic."""
    return {finding.topic: finding for finding in findings if finding.level == "error"}


def test_a_healthy_set_of_packages_is_healthy() -> None:
    assert not wrong(packages.check_packages(HEALTHY))


@pytest.mark.parametrize(
    ("changes", "topic", "what", "fix"),
    [
        ({"torch": None}, "packages", "torch is not installed", "pip install 'torch>="),
        ({"torch": "2.0.1", "numpy": "1.26"}, "packages", "torch 2.0.1 is too old", "pip install 'torch>="),
        ({"msgspec": "0.17.9"}, "packages", "msgspec 0.17.9 is too old", "pip install 'msgspec>="),
        (
            {"opencv-python": "4.12.0.88"},
            "opencv",
            "share one folder cv2",
            "pip uninstall -y opencv-python opencv-python-headless",
        ),
        ({"opencv-contrib-python": "4.11.0.86"}, "opencv", "share", "pip install opencv-contrib-python-headless"),
        ({"opencv-python-headless": "4.9.0.80"}, "abi", "was built for numpy 1", "numpy<2"),
        ({"torch": "2.2.2"}, "abi", "torch 2.2.2 was built for numpy 1", "numpy<2"),
        ({"controlnet-aux": "0.0.10", "mediapipe": "1.0.2"}, "extras", "beside mediapipe 1.0.2", "mediapipe<1.0"),
    ],
)
def test_packages_that_do_not_fit(changes: dict[str, str | None], topic: str, what: str, fix: str) -> None:
    have = {name: version for name, version in {**HEALTHY, **changes}.items() if version}
    found = wrong(packages.check_packages(have))
    assert list(found) == [topic]
    assert what in found[topic].what
    assert fix in found[topic].fix


@pytest.mark.parametrize(
    "changes",
    [{"transformers": "4.30.2"}, {"torch": "2.0.1"}, {"opencv-python": "4.12.0.88"}, {"einops": "0.3.0"}],
)
def test_a_hosts_packages_are_left_as_they_are(changes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core.weights import search_paths

    have = {**HEALTHY, "numpy": "1.26.2", **changes}
    (outside,) = wrong(packages.check_packages(have)).values()
    assert "pip " in outside.fix
    monkeypatch.setattr(search_paths, "_host_roots", [Path("webui")])
    assert not wrong(packages.check_packages(have))
    (inside,) = [f for f in packages.check_packages(have) if f.what == outside.what or outside.what in f.what]
    assert "leave a host's packages as they are" in inside.fix
    assert "pip" not in inside.fix


@pytest.mark.parametrize("sign", ["webui.py", "custom_nodes/a.py", "ComfyUI/custom_nodes/a.py"])
def test_a_python_that_lies_in_a_host_is_the_hosts(sign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core.weights import search_paths

    monkeypatch.setattr(search_paths.sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(search_paths, "_host_roots", [])
    assert not search_paths.is_inside_host()
    (tmp_path / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / sign).touch()
    assert search_paths.is_inside_host()


def test_a_mediapipe_that_the_controlnet_extension_cannot_use_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from underdrawing.core.weights import search_paths

    (tmp_path / "mediapipe").mkdir()
    (tmp_path / "mediapipe" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(search_paths, "_host_roots", [tmp_path])
    have = {**HEALTHY, "mediapipe": "0.10.35"}
    assert not wrong(packages.check_packages(have))
    (tmp_path / "extensions" / "sd-webui-controlnet").mkdir(parents=True)
    found = wrong(packages.check_packages(have))["ControlNet"]
    assert "sd-webui-controlnet does not load: mediapipe 0.10.35" in found.what
    assert "pip install 'mediapipe<0.10.10'" in found.fix
    (tmp_path / "mediapipe" / "python" / "solutions").mkdir(parents=True)
    assert not wrong(packages.check_packages(have))


def test_two_opencvs_on_the_path_are_seen_by_the_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "opencv_contrib_python-4.5.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: opencv-contrib-python\nVersion: 4.5.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(import_checks, "find_broken", dict)  # another path would import every package once more
    done = run("doctor")
    assert done.code == 1
    assert "opencv-contrib-python 4.5.0 share one folder cv2" in done.out
    assert "the files there now are those of" in done.out
    assert "fix: pip uninstall -y" in done.out


def test_optional_packages_are_notes_with_a_command() -> None:
    notes = [f for f in packages.check_packages(HEALTHY) if f.level == "warning"]
    assert [note.fix for note in notes] == ["pip install openvino", "pip install av"]


def test_torch_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError("libgomp is missing")

    monkeypatch.setattr(checks, "resolve_placement", fail)
    facts, findings = checks.check_device()
    assert facts == {}
    assert "libgomp is missing" in wrong(findings)["torch"].what


def test_the_device_and_its_reason_are_told() -> None:
    facts, findings = checks.check_device()
    assert facts["auto"]
    assert "(" in facts["annotators without bfloat16"]
    assert not findings


def test_annotators_that_are_broken_or_lack_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plugins_for_the_doctor"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "bad.py").write_text("import a_module_that_does_not_exist\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = list(checks.check_annotators(Registry(folder.name, group="underdrawing.test.none")))
    assert "a_module_that_does_not_exist" in found[0].what
    canny = registry.resolve("canny").annotator
    monkeypatch.setattr(canny, "find_missing", lambda: ["cv2"])
    lacking = wrong(checks.check_annotators(registry))["annotators"]
    assert "canny cannot run: needs cv2" in lacking.what
    assert lacking.fix == "pip install opencv-python-headless"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("UNDERDRAWING_DOWNLOAD", "foo", "ask, always or never"),
        ("UNDERDRAWING_TIMEOUT", "soon", "30"),
        ("UNDERDRAWING_CASHE", "/somewhere", "UNDERDRAWING_CACHE"),
        ("UNDERDRAWING_DROP_IN", "maybe", "1 or 0"),
        ("UNDERDRAWING_WEIGHTS", "no-such-folder", "no-such-folder"),
        ("UNDERDRAWING_HOSTS", "no-such-folder", "no-such-folder"),
        ("HF_HUB_OFFLINE", "sure", "1 or 0"),
        ("HF_ENDPOINT", "mirror.example", "https://"),
    ],
)
def test_variables_that_say_nonsense(name: str, value: str, says: str) -> None:
    found = wrong(checks.check_variables({name: value, "UNDERDRAWING_DOWNLOAD": "ask"} | {name: value}))["environment"]
    assert found.what.startswith(f"{name}={value!r}")
    assert says in found.what + found.fix


def test_variables_that_make_sense(tmp_path: Path) -> None:
    sensible = {
        "UNDERDRAWING_DOWNLOAD": "Always",
        "UNDERDRAWING_TIMEOUT": "2.5",
        "UNDERDRAWING_CACHE": "/new",
        "UNDERDRAWING_DROP_IN": "0",
        "UNDERDRAWING_WEIGHTS": f"{tmp_path}{os.pathsep}",
        "HF_HUB_OFFLINE": "1",
        "HF_ENDPOINT": "https://mirror.example",
    }
    assert not list(checks.check_variables(sensible))


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(checks.check_cache(tmp_path / "new" / "deep", []))
    (tmp_path / "file").touch()
    assert "is a file" in wrong(checks.check_cache(tmp_path / "file" / "cache", []))["cache"].what

    def refuse(path: object, mode: int) -> bool:
        return False

    monkeypatch.setattr(checks.os, "access", refuse)
    found = wrong(checks.check_cache(tmp_path / "new", []))["cache"]
    assert "no permission" in found.what
    assert "UNDERDRAWING_CACHE" in found.fix


def weight(size: int, repo: str = "a/b", bundled: str = "") -> Weight:
    digest = "1" * 64
    return Weight(file="w.bin", sha256=digest, size=size, licence="MIT", commercial=True, repo=repo, bundled=bundled)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=999)

    monkeypatch.setattr(checks.shutil, "disk_usage", usage)
    assert not list(checks.check_cache(tmp_path, [weight(900)]))
    assert "999 bytes are free" in wrong(checks.check_cache(tmp_path, [weight(900), weight(1000)]))["cache"].what


def test_weights_of_the_wrong_size_or_without_a_hash(tmp_path: Path) -> None:
    store = Store(tmp_path, remember=False)
    missing = list(checks.check_weights(store, [weight(5)]))
    assert [(f.level, f.fix) for f in missing] == [("warning", "underdrawing weights fetch a/b/w.bin")]
    path = tmp_path / "weights" / "a" / "b" / "w.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1234")
    assert f"{path} (a/b/w.bin) has 4 bytes" in wrong(checks.check_weights(store, [weight(5)]))["weights"].what
    half = Weight(file="w.bin", repo="a/b", sha256="", size=4, licence="MIT", commercial=True)
    assert "pins no hash" in wrong(checks.check_weights(store, [half]))["weights"].what


def test_files_that_are_not_here_are_one_line_and_errors_stand_last(tmp_path: Path) -> None:
    store = Store(tmp_path, remember=False)
    found = list(checks.check_weights(store, [weight(5), weight(6, "c/d"), weight(7, "e/f")]))
    assert [(f.level, f.fix.partition(" (")[0]) for f in found] == [
        ("warning", "underdrawing weights fetch --annotator NAME")
    ]
    assert found[0].what.startswith("3 optional files are not on this machine")
    broken = packages.Finding(level="error", topic="torch", what="is broken", fix="mend it")
    lines = list(report_lines(checks.Report(facts={}, findings=(broken, *found))))
    assert lines[-4:-1] == ["  torch: is broken", "      fix: mend it", ""]
    assert lines[-1].startswith("1 error: fix what is listed under Errors")


def test_weights_that_are_trusted_on_first_use(tmp_path: Path) -> None:
    store = Store(tmp_path, remember=False)
    record = Weight(file="w.bin", repo="a/b", sha256="", size=0, licence="MIT", commercial=True)
    found = list(checks.check_weights(store, [record]))
    assert [f.level for f in found] == ["warning"]
    assert "not pinned by this project" in found[0].what
    (tmp_path / "w.bin").write_bytes(save({"a": np.ones(2, np.float32)}))
    store.import_as(tmp_path / "w.bin", record)
    assert not list(checks.check_weights(store, [record]))
    store.pins.path(record).write_text("{")
    assert "damaged" in wrong(checks.check_weights(store, [record]))["weights"].what


def test_bundled_weights_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.core.weights import search_paths

    monkeypatch.setattr(search_paths, "PACKAGE", tmp_path)
    record = weight(4, repo="", bundled="w.bin")
    store = Store(tmp_path / "cache", remember=False)
    assert "is missing" in wrong(checks.check_weights(store, [record]))["weights"].what
    folder = tmp_path / "preprocessors" / "bundled"
    folder.mkdir(parents=True)
    (folder / "w.bin").write_bytes(b"1234")
    found = wrong(checks.check_weights(store, [record]))["weights"]
    assert "another sha256" in found.what
    assert found.fix == "install the package again"


def test_long_paths_matter_on_windows_only() -> None:
    paths = [Path("C:/short"), Path("C:/" + "x" * 300)]
    assert "303 characters" in wrong(checks.check_paths(paths, system="win32", allowed=False))["paths"].what
    assert not list(checks.check_paths(paths, system="win32", allowed=True))
    assert not list(checks.check_paths(paths, system="linux"))
    assert not list(checks.check_paths([], system="win32", allowed=False))


def test_text_and_json_and_exit_codes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = json.loads(run("doctor", "--json").out)
    topics = [f["topic"] for f in fine["findings"] if f["level"] == "error"]
    assert fine["healthy"] == (not topics)
    assert fine["facts"].keys() >= {"python", "platform", "packages", "device", "cache"}
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "foo")
    sick = run("doctor", "--json")
    assert sick.code == 1
    assert "environment" in [f["topic"] for f in json.loads(sick.out)["findings"]]
    text = run("doctor")
    assert text.code == 1
    assert "UNDERDRAWING_DOWNLOAD='foo' is not a choice\n      fix: set it to ask, always or never" in text.out


WATCHED = """
import os, sys
seen = []
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "os.utime", "os.chmod")
OUTSIDE = ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.", "os.system", "os.exec", "os.posix_")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
PACKAGES = ("numpy", "PIL", "cv2", "torch", "safetensors", "transformers")
def watch(event, args):
    if event == "open" and (set(str(args[1] or "r")) & set("wax+") or (args[2] or 0) & WRITING):
        if str(args[0]) != os.devnull:
            seen.append((event, str(args[0])))
    elif event == "subprocess.Popen" and args[1][1] == "-B" and args[1][-1] in PACKAGES and "__import__" in args[1][3]:
        pass  # a package is imported in a process of its own, which writes no bytecode
    elif event in CHANGES or event.startswith(OUTSIDE):
        seen.append((event, str(args)))
sys.addaudithook(watch)
sys.argv = ["underdrawing", "doctor", "--json"]
from underdrawing.cli import main
try:
    main()
except SystemExit:
    pass
print(seen, file=sys.stderr)
"""


def test_it_only_reads(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.command_line.CHILD", WATCHED)
    began = time.monotonic()
    out, err = start().communicate(timeout=600)
    assert json.loads(out)["facts"]
    assert err.strip() == "[]", f"after {time.monotonic() - began:.1f} s: {err}"
    assert not (tmp_path / "cache").exists()


def test_facts_fit_this_interpreter() -> None:
    report = checks.diagnose(registry, Store(remember=False), {})
    assert sys.executable in report.facts["python"]
    assert report.facts["free_bytes"] <= shutil.disk_usage(Path.cwd().anchor).total
    assert report.facts["annotators"] == len(registry)
