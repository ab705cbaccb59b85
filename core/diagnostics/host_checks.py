"""Findings inside a host: its user is not told to move what the host pins. What of a host keeps ours from working."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ..command_name import quote
from .packages import OPENCV, Finding, lacks_solutions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PINNED = frozenset({"torch", "torchvision", "numpy", "pillow", "transformers", "pydantic", "protobuf", *OPENCV})
"""Packages that hosts pin."""
COMMAND_LINE = frozenset({"click", "rich"})
"""Packages that only the command line needs."""
KEEP = "the host pins it: leave it as it is; what cannot run with it is listed as not available"
_NAME = re.compile(r"[A-Za-z][\w-]*")


def adapt_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings as they are inside a host: packages are added with its Python, and none that it pins is moved."""
    for finding in findings:
        named = {name.lower() for name in _NAME.findall(finding.fix)} if finding.fix.startswith("pip ") else set[str]()
        if named & PINNED:
            yield Finding(level="warning", topic=finding.topic, what=finding.what, fix=KEEP)
        elif not named & COMMAND_LINE:
            pip = f"{quote([sys.executable, '-m', 'pip'])} "
            fix = finding.fix.replace("pip ", pip, 1) if named else finding.fix
            yield Finding(level=finding.level, topic=finding.topic, what=finding.what, fix=fix)


def find_controlnet_fault(installed: Iterable[Path]) -> Iterator[Finding]:
    """A1111's ControlNet extension, where it did not load for another reason than `check_packages` finds.

    installed: its folders.
    """
    for folder in installed:
        if not lacks_solutions():
            fix = "the host's log says why, where it loads scripts"
            yield Finding(level="error", topic="ControlNet", what=f"{folder} is installed, but did not load", fix=fix)
