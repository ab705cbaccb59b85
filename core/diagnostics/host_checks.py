"""Findings inside a host, and what of the host keeps ours from working."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from ..command_name import quote
from .packages import Finding, lacks_solutions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

COMMAND_LINE = frozenset({"click", "rich"})
"""Packages that only the command line needs."""
_NAME = re.compile(r"[A-Za-z][\w-]*")


def adapt_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings as they are inside a host: without the command line, and packages are added with the host's Python."""
    for finding in findings:
        is_pip = finding.fix.startswith("pip ")
        if is_pip and COMMAND_LINE & {name.lower() for name in _NAME.findall(finding.fix)}:
            continue
        pip = f"{quote([sys.executable, '-m', 'pip'])} "
        yield msgspec.structs.replace(finding, fix=finding.fix.replace("pip ", pip, 1) if is_pip else finding.fix)


def find_controlnet_fault(installed: Iterable[Path]) -> Iterator[Finding]:
    """A1111's ControlNet extension, where it did not load for another reason than `check_packages` finds.

    installed: its folders.
    """
    for folder in installed:
        if not lacks_solutions():
            fix = "the host's log says why, where it loads scripts"
            yield Finding(level="error", topic="ControlNet", what=f"{folder} is installed, but did not load", fix=fix)
