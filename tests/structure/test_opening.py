"""Nothing opens files but core/regular_files.py, which knows what is no file."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support.tree import each_room, package_files, tree_of

if TYPE_CHECKING:
    from pathlib import Path

OPENERS = {"open", "read_text", "read_bytes", "imread", "fromfile", "loadtxt", "memmap", "safe_open", "load_file"}
OTHER = {
    "cli/app.py": {"open"},  # the null device
    "core/files.py": {"os.open"},  # temporary files of our own, and folders
    "core/batch/folder_lock.py": {"os.open"},  # handles of locks: folders, or files of our own
    "core/images/formats/fax_strips.py": {"Pil.open"},  # of bytes
    "core/images/loading.py": {"Pil.open"},  # of bytes
    "core/images/opening.py": {"Pil.open"},  # of a stream
    "core/images/formats/plugins.py": {"Pil.open"},  # of a stream
    "core/tensor_files/torch_archive.py": {"self._zip.open"},  # a member
    "core/tensor_files/safetensors_io.py": {"load_file"},  # after `read_header`, which has opened it
    "core/dataset/sinks/webdataset.py": {"tarfile.open"},  # of a stream
    "core/dataset/sources/webdataset.py": {"tarfile.open"},  # of a stream
    "core/dataset/verify.py": {"Image.open"},  # of bytes
    "core/hosts/requirements.py": {"(root / 'requirements.txt').read_text"},  # ours, and it imports nothing of ours
    "core/video/files.py": {"av.open"},  # of a stream
    "core/video/writing.py": {"av.open"},  # of a stream
    "core/weights/download.py": {"os.open"},  # makes the claim
    "pipeline/reference/training/data.py": {"part.open"},  # writes rendered scenes
    "adapters/prompts/emphasis.py": {"self.open"},  # a bracket
}
"""Calls that open no file of the user's."""


def find_openings(tree: ast.Module) -> set[str]:
    """Calls that open a file, as text."""
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {call for call in calls if call.rpartition(".")[2] in OPENERS and call not in ("read_text", "read_bytes")}


@each_room(path for path in package_files() if path.name != "regular_files.py")
def test_files_are_opened_in_one_place(paths: list[Path]) -> None:
    found = {str(path): find_openings(tree_of(path)) - OTHER.get(str(path), set()) for path in paths}
    assert {path: calls for path, calls in found.items() if calls} == {}, "use core/regular_files.py"


def test_openings_are_recognised() -> None:
    for code in ("open(p)", "Path(p).open('rb')", "p.read_text()", "io.open(p)", "os.open(p, 0)", "cv2.imread(p)"):
        assert find_openings(ast.parse(code)), code
    assert not find_openings(ast.parse("open_regular_file(p)"))
