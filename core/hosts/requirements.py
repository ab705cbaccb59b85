"""Packages that a host lacks, added without touching any that it has. Hosts start it by its path: it imports nothing of
ours.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND_LINE = "# Only the command line:"
"""Line of requirements.txt behind which stands what no host needs."""
OPENCV = "opencv-python-headless"


def list_missing(root: Path) -> list[str]:
    """Requirements of requirements.txt that no package here fulfils, of whatever version, and an OpenCV if none is."""
    missing = [line for line in _read_requirements(root) if not _is_here(line)]
    return [*missing, *([OPENCV] if find_spec("cv2") is None else [])]


def add_missing(root: Path) -> None:
    """Install what is missing and nothing that it depends on, so that no package of the host's is moved."""
    missing = list_missing(root)
    if not missing:
        return
    quoted = " ".join(f'"{name}"' for name in missing)
    if find_spec("launch") is not None:  # A1111 and Forge: with their index, and never with --skip-install
        import_module("launch").run_pip(f"install --no-deps {quoted}", f"what Underdrawing needs: {', '.join(missing)}")
    else:
        subprocess.check_call([sys.executable, "-m", "pip", "install", "--no-deps", *missing])


def _read_requirements(root: Path) -> Iterator[str]:
    text = (root / "requirements.txt").read_text(encoding="utf-8").partition(COMMAND_LINE)[0]
    yield from (line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _is_here(requirement: str) -> bool:
    name = re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return find_spec(name.replace("-", "_")) is not None
