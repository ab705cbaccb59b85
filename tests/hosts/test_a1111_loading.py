"""How A1111 and Forge load the extension: again at each reload, twice at once, in parts, without packages, shielded."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from tests.support.fake_webui import FakeWebui, Kind

from underdrawing.a1111_extension import parts, preprocessors
from underdrawing.core.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, CLONE_SCRIPT = ROOT / "a1111_extension" / "scripts" / "underdrawing.py", ROOT / "scripts" / "underdrawing.py"
KINDS = get_args(Kind)


@pytest.fixture
def fresh(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FakeWebui]:
    """A1111 that has loaded nothing yet."""
    made = FakeWebui(tmp_path, getattr(request, "param", "a1111"))
    made.enter()
    yield made
    made.leave()


@pytest.mark.parametrize("fresh", KINDS, indirect=True)
def test_two_reloads_change_nothing(fresh: FakeWebui) -> None:
    fresh.reload(SCRIPT)
    names, callbacks = list(fresh.preprocessors), {name: len(found) for name, found in fresh.callbacks.items()}
    for _ in range(2):
        fresh.reload(SCRIPT)
    assert list(fresh.preprocessors) == names
    assert {name: len(found) for name, found in fresh.callbacks.items()} == callbacks


def test_both_ways_at_once_are_reported_and_harmless(fresh: FakeWebui, caplog: pytest.LogCaptureFixture) -> None:
    first, second = fresh.reload(SCRIPT, CLONE_SCRIPT)
    assert "stands aside" in caplog.text
    registered = fresh.callbacks["on_before_ui"]
    assert registered
    assert len(registered) == len(set(registered))
    assert not [x for x in vars(second).values() if isinstance(x, type) and x is not Path]
    caplog.clear()
    fresh.reload(CLONE_SCRIPT)
    assert "stands aside" not in caplog.text
    assert "underdrawing_hed" in fresh.preprocessors
    assert first is not second


def test_a_bad_part_or_annotator_leaves_the_others(
    fresh: FakeWebui, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build = preprocessors.build_preprocessor

    def fail_once(found: Any, name: str, match: Any) -> Any:
        if name == "underdrawing_canny":
            raise RuntimeError("broken")
        return build(found, name, match)

    monkeypatch.setattr(preprocessors, "build_preprocessor", fail_once)
    monkeypatch.setattr(parts, "PARTS", ("nothing_there", "preprocessors"))
    fresh.reload(SCRIPT)
    assert "underdrawing_canny" not in fresh.preprocessors
    assert "underdrawing_hed" in fresh.preprocessors
    assert "underdrawing_canny is not available: RuntimeError: broken" in caplog.text
    assert "nothing_there is not available" in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


def test_without_the_controlnet_extension_one_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    host = FakeWebui(tmp_path, with_controlnet=False)
    host.enter()
    try:
        host.reload(SCRIPT)
    finally:
        host.leave()
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "sd-webui-controlnet is not loaded" in line.getMessage()
    assert "doctor" in line.getMessage()


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", [SCRIPT, CLONE_SCRIPT], ids=["folder", "clone"])
def test_a_missing_package_is_one_line(script: Path) -> None:
    code = f"import sys, runpy; sys.modules['msgspec'] = None; runpy.run_path({str(script)!r}); print('went on')"
    done = run_python(code)
    assert (done.returncode, done.stdout) == (0, "went on\n")
    (line,) = done.stderr.splitlines()
    assert "msgspec is missing" in line
    assert str(script.parents[1] / "install.py") in line


@pytest.mark.parametrize("folder", [ROOT, ROOT / "a1111_extension"], ids=["clone", "folder"])
def test_nothing_of_ours_can_be_imported_by_a_neighbour(folder: Path) -> None:
    """Its folder stands on sys.path for good, as in Forge; our own package is found whole nevertheless."""
    names = sorted({p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()})
    code = f"""
import importlib, runpy, sys
runpy.run_path({str(folder / "preload.py")!r})
sys.path.insert(0, {str(folder)!r})
found = []
for name in {[name for name in names if name not in ("__init__", "__main__")]!r}:
    try:
        found.append(importlib.import_module(name).__file__)
    except ImportError:
        pass
print([file for file in found if file and file.startswith({str(folder)!r})])
load = runpy.run_path({str(ROOT / "core" / "hosts" / "loading.py")!r})["load_package"]
load(__import__("pathlib").Path({str(ROOT)!r}))
from underdrawing import operations, registry
print(len(registry) > 40, len(list(operations())) > 20, registry.broken, operations().broken)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "True True {} {}"]


def test_progress_and_interrupt_go_through_the_hosts_state(fresh: FakeWebui) -> None:
    from underdrawing.a1111_extension.hosts import get_host

    with get_host().progress("maps", 4, "pictures") as progress:
        progress(1, 4, "first")
        assert (fresh.state.job_no, fresh.state.job_count, fresh.state.textinfo) == (1, 4, "first")
        fresh.state.interrupted = True
        with pytest.raises(Cancelled):
            progress(2, 4)
    assert [entry[0] for entry in fresh.state.log] == ["begin", "end"]
    assert fresh.state.job == ""


def test_a_job_of_the_host_keeps_its_own_progress(fresh: FakeWebui) -> None:
    from underdrawing.a1111_extension.hosts import get_host

    fresh.state.begin("txt2img")
    fresh.state.job_no, fresh.state.job_count = 3, 8
    with get_host().progress("maps", 2) as progress:
        progress(1, 2)
    assert (fresh.state.job, fresh.state.job_no, fresh.state.job_count) == ("txt2img", 3, 8)
    assert len(fresh.state.log) == 1


def test_folders_are_the_hosts_and_names_stay_inside(fresh: FakeWebui, tmp_path: Path) -> None:
    from underdrawing.a1111_extension.hosts import get_host
    from underdrawing.core.errors import BadParameter

    host = get_host()
    fresh.options.lora_dir = str(tmp_path / "elsewhere")
    assert host.folders("lora") == [tmp_path / "elsewhere"]
    assert host.folders("checkpoint")[0] == tmp_path / "models" / "Stable-diffusion"
    assert host.folders("weights") == [tmp_path / "models" / "underdrawing"]
    assert host.place_file("checkpoint", "a/b.safetensors") == tmp_path / "models/Stable-diffusion/a/b.safetensors"
    (tmp_path / "models" / "VAE" / "my.safetensors").touch()
    assert host.find_file("vae", "my.safetensors").is_file()
    for name in ("../VAE/my.safetensors", str(tmp_path / "models" / "VAE" / "my.safetensors"), "my.safetensors\0"):
        with pytest.raises(BadParameter):
            host.find_file("vae", name)
    host.list_again("checkpoint")
    assert fresh.listed == ["checkpoint"]
