"""Our folder in a host: written, linked, copied, and taken away without touching anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.command_line import Run
from tests.support.fake_host import Host

from underdrawing.core import installation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "ComfyUI")


def loaded(host: Host, place: Path, then: str = "", **environ: str) -> list[str]:
    """Names of the nodes, loaded in a process of its own."""
    code = f"""
import sys; sys.path.append({str(ROOT)!r})
from pathlib import Path
from tests.support.fake_host import Host
host = Host(Path({str(host.base)!r})); host.enter()
nodes = host.load(Path({str(place)!r})).NODE_CLASS_MAPPINGS
{then}
print(*nodes)
"""
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("how", [(), ("--copy",), ("--link",)])
def test_installed_loaded_and_taken_away(how: tuple[str, ...], host: Host, run: Run) -> None:
    (host.base / "custom_nodes" / "other.py").write_text("x = 1\n")
    before = tree(host.base)
    done = run("install", "comfyui", str(host.base), *how)
    assert done.code == 0, done.err
    place = host.base / "custom_nodes" / "underdrawing"
    assert "UnderdrawingTile" in loaded(host, place, PYTHONPATH=str(ROOT / ".dev"))
    assert (place / "locales" / "ja" / "nodeDefs.json").is_file()
    assert list((place / "example_workflows").glob("*.json"))
    (host.base / "models").mkdir(exist_ok=True)
    env = {"PYTHONPATH": str(ROOT / ".dev"), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(host.base.parent)}
    command = [sys.executable, str(place), "weights", "where"]
    listed = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    lost = subprocess.run([*command, "nothing"], env=env, capture_output=True, text=True, check=False)
    assert f"{place} weights list`" in lost.stderr
    done = run("uninstall", "comfyui", str(host.base / "custom_nodes"))
    assert done.code == 0, done.err
    assert tree(host.base) == before
    assert not place.exists()


def test_a_copy_runs_without_the_package(host: Host, run: Run) -> None:
    assert run("install", "comfyui", str(host.base), "--copy").code == 0
    place = host.base / "custom_nodes" / "underdrawing"
    then = """
import torch
found = nodes["UnderdrawingHed"]().annotate(image=torch.rand(1, 32, 32, 3), resolution=32)
assert found[0].shape == (1, 32, 32, 3) and "underdrawing" not in sys.modules
"""
    assert "UnderdrawingHed" in loaded(host, place, then)
    held = [line for line in tree(place) if line.startswith(("tests/", "cli/__pycache__", "build/"))]
    assert held == []


def test_what_is_there_is_never_replaced(host: Host, run: Run) -> None:
    place = host.base / "custom_nodes" / "underdrawing"
    place.mkdir()
    (place / "mine.py").write_text("x = 1\n")
    for command in ("install", "uninstall"):
        done = run(command, "comfyui", str(host.base))
        assert done.code != 0
        assert str(place) in done.err
    assert tree(place) == {"mine.py": b"x = 1\n"}


def test_files_of_the_user_stay(host: Host, run: Run) -> None:
    assert run("install", "comfyui", str(host.base)).code == 0
    place = host.base / "custom_nodes" / "underdrawing"
    (place / "notes.txt").write_text("mine")
    (place / "__init__.py").write_text("# changed\n")
    done = run("uninstall", "comfyui", str(host.base))
    assert done.code == 0
    assert "notes.txt" in done.out
    assert set(tree(place)) == {"notes.txt", "__init__.py", installation.RECORD}


def test_a_link_and_a_copy_are_not_made_together(host: Host, run: Run) -> None:
    for ways in (("--copy", "--link"), ("--link", "--copy")):
        done = run("install", "comfyui", str(host.base), *ways)
        assert done.code == 2
        assert "--link and --copy: cannot be given together" in done.err
    assert not (host.base / "custom_nodes" / "underdrawing").exists()


def test_install_and_uninstall_do_not_send_to_each_other(host: Host, run: Run) -> None:
    place = host.base / "custom_nodes" / "underdrawing"
    assert run("install", "comfyui", str(host.base)).code == 0
    assert "uninstall comfyui" in run("install", "comfyui", str(host.base)).err
    (place / "mine.txt").write_text("mine")
    done = run("install", "comfyui", str(host.base))
    assert "mine.txt" in done.err
    assert "uninstall comfyui" in done.err
    done = run("uninstall", "comfyui", str(host.base))
    assert done.code == 0
    assert tree(place) == {"mine.txt": b"mine"}
    done = run("install", "comfyui", str(host.base))
    assert done.code != 0
    assert f"move or remove {place} by hand" in done.err
    assert "uninstall comfyui" not in done.err


def test_changed_files_are_named_by_install(host: Host, run: Run) -> None:
    place = host.base / "custom_nodes" / "underdrawing"
    assert run("install", "comfyui", str(host.base)).code == 0
    (place / "__init__.py").write_text("# changed\n")
    assert run("uninstall", "comfyui", str(host.base)).code == 0
    done = run("install", "comfyui", str(host.base))
    assert "__init__.py" in done.err
    assert "uninstall comfyui" not in done.err


def test_what_is_no_folder_is_told(host: Host, run: Run, tmp_path: Path) -> None:
    place = host.base / "custom_nodes" / "underdrawing"
    place.write_text("a file")
    assert "as a file" in run("install", "comfyui", str(host.base)).err
    place.unlink()
    place.symlink_to(tmp_path, target_is_directory=True)
    done = run("install", "comfyui", str(host.base))
    assert "a link to somewhere else" in done.err
    assert "by hand" in done.err


@pytest.mark.parametrize("name", ["../../../victim", "/victim", "C:\\victim"])
def test_a_forged_record_leads_nowhere(name: str, host: Host, run: Run, tmp_path: Path) -> None:
    place = host.base / "custom_nodes" / "underdrawing"
    place.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    (place / installation.RECORD).write_text(json.dumps({"files": {name: installation._digest(b"")}}))
    assert run("uninstall", "comfyui", str(host.base)).code != 0
    assert victim.exists()


def test_a_link_to_elsewhere_is_left(host: Host, run: Run, tmp_path: Path) -> None:
    place = host.base / "custom_nodes" / "underdrawing"
    place.symlink_to(tmp_path, target_is_directory=True)
    done = run("uninstall", "comfyui", str(host.base))
    assert done.code != 0
    assert place.is_symlink()


def test_a_wrong_path_is_told(tmp_path: Path, host: Host, run: Run) -> None:
    done = run("install", "comfyui", str(tmp_path))
    assert done.code == 2
    assert "ComfyUI looks right" in done.err
    assert run("uninstall", "comfyui", str(host.base)).code == 2


def test_hooks_of_a_clone_are_those_of_the_extension() -> None:
    settings = installation.HOSTS["a1111"]
    for name in settings.hooks:
        own = (ROOT / settings.root / name).read_text(encoding="utf-8")
        assert (ROOT / name).read_text(encoding="utf-8") == installation.lift_hook(own), f"copy it, lifted: {name}"


@pytest.mark.parametrize("how", [(), ("--copy",), ("--link",)])
@pytest.mark.parametrize("given", ["webui", "webui/extensions"])
def test_the_extension_is_installed_and_the_tree_is_as_before(
    how: tuple[str, ...], given: str, tmp_path: Path, run: Run
) -> None:
    other = tmp_path / "webui" / "extensions" / "other" / "scripts"
    other.mkdir(parents=True)
    (other / "other.py").write_text("x = 1\n")
    before = {*tree(tmp_path), *(p.as_posix() for p in tmp_path.rglob("*"))}
    done = run("install", "a1111", str(tmp_path / given), *how)
    assert done.code == 0, done.err
    place = tmp_path / "webui" / "extensions" / "underdrawing"
    assert (place / "scripts" / "underdrawing.py").is_file()
    assert run("install", "a1111", str(tmp_path / given), *how).code != 0
    done = run("uninstall", "a1111", str(tmp_path / given))
    assert done.code == 0, done.err
    assert {*tree(tmp_path), *(p.as_posix() for p in tmp_path.rglob("*"))} == before
