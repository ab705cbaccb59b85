"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest
from tests.support.tree import ROOT, package_files

HOSTS = ("cli", "comfy_nodes", "a1111_extension")
HOST_LINES = 4200


def packages() -> set[str]:
    folders = {path.parent for path in package_files() if path.name == "__init__.py"}
    return {".".join(["underdrawing", *folder.parts]) for folder in folders}


def test_the_package_list_equals_the_tree() -> None:
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(settings["tool"]["setuptools"]["packages"]) == packages()


def test_every_folder_with_python_is_a_package() -> None:
    inside = {path.parent for path in package_files()}
    assert {".".join(["underdrawing", *folder.parts]) for folder in inside} == packages()


def test_the_documented_layout_is_the_tree() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = page.partition("## Layout")[2].split("```")[1]
    listed = set(re.findall(r"(\w+)/", block))
    folders = {path.parent.name for path in package_files() if path.parent.name}
    assert folders - listed == set(), "add it to the layout in CONTRIBUTING.md"
    tops = [p for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name not in ("build", "dist")]
    assert listed - {p.name for top in tops for p in (top, *top.rglob("*")) if p.is_dir()} == set(), "no such folder"


def test_every_make_command_is_documented() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets is not None
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in targets[1].split() if name != "clean" and f"make {name}" not in page] == []


def test_the_root_holds_no_other_module() -> None:
    assert {p.name for p in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "install.py", "preload.py"}, (
        "install.py and preload.py are the hosts' hooks"
    )
    assert [p.name for p in (ROOT / "scripts").iterdir() if p.suffix] == ["underdrawing.py"], "hosts run all of them"


def test_the_hosts_hook_stays_out_of_wheels() -> None:
    setuptools = pytest.importorskip("setuptools", reason="pip install setuptools")
    from tools.building import BuildPackage

    distribution = setuptools.Distribution(
        {"script_name": "setup.py", "packages": ["underdrawing"], "package_dir": {"underdrawing": str(ROOT)}}
    )
    found = BuildPackage(distribution).find_package_modules("underdrawing", str(ROOT))
    assert {module for _, module, _ in found} == {"__init__", "__main__"}


def test_host_folders_are_small() -> None:
    lines = {host: sum(p.read_text("utf-8").count("\n") for p in (ROOT / host).rglob("*.py")) for host in HOSTS}
    assert sum(lines.values()) <= HOST_LINES, f"{lines}: what no host needs for itself belongs into the core"


def test_host_folders_name_no_operation() -> None:
    from underdrawing.core.operation_registry import operations

    ids = {operation.spec.id for operation in operations() if operation.spec.verb}
    for host in HOSTS:
        for path in (ROOT / host).rglob("*.py"):
            strings = {n.value for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Constant)}
            assert not ids & strings, f"{path.relative_to(ROOT)} names operations: {ids & strings}"


def test_host_folders_name_no_annotator() -> None:
    from underdrawing.preprocessors import registry

    words = {word for a in registry for word in (a.spec.id, *(alias.name for alias in a.spec.aliases))}
    for host in HOSTS:
        for path in (ROOT / host).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            strings = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)}
            named = words & strings | _telling(words) & set(re.findall(r"[\w+-]+", text))
            assert not named, f"{path.relative_to(ROOT)} names annotators: {named}"


def _telling(words: set[str]) -> set[str]:
    """Names that mean an annotator and nothing else, even in prose."""
    return {word for word in words if "_" in word or word in {"canny", "hed", "CannyDetector"}}


def test_bundled_files_are_recorded_small_and_noticed() -> None:
    from underdrawing.core.files import hash_file
    from underdrawing.preprocessors import registry

    folder = ROOT / "preprocessors" / "bundled"
    files = {p.name: p for p in folder.glob("*.safetensors")}
    records = {w.bundled: w for a in registry for w in a.spec.weights if w.bundled}
    assert set(files) == set(records)
    assert sum(p.stat().st_size for p in files.values()) <= 60_000_000
    for name, path in files.items():
        assert (records[name].size, records[name].sha256) == (path.stat().st_size, hash_file(path))
    assert list(folder.glob("NOTICE-*"))


def test_no_machine_paths_are_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    pattern = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/[\w.-]+")
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml"} and path.is_file():
            assert not pattern.search(path.read_text(encoding="utf-8")), name


def test_wheels_hold_what_copies_in_hosts_read() -> None:
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    assert {"requirements.txt", "requirements-standalone.txt"} <= set(data["underdrawing"])
    assert {"scripts/*.py", "javascript/*.js"} <= set(data["underdrawing.a1111_extension"])
