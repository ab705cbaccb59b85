"""Imports the packages that this one is built on, each in a process of its own, which a broken one may end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

from ..imports import ESSENTIAL, describe_broken
from .packages import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..registry import Registry

MODULES = ("numpy", "PIL", "cv2", "torch", "safetensors", "transformers")
PATIENCE = 300.0
"""Seconds after which an import counts as one that never ends."""
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); __import__(sys.argv[2]); sys.exit(113)"
_DONE, _MOST = 113, 2**16
"""How a child ends whose import came to its end (no package ends so), and most bytes of its errors that are kept."""
_GRACE = 5.0
"""Seconds for the rest of a child's errors; what it left running may hold their pipe open for ever."""
_ALSO = {
    "cv2": "every map that is not made at its picture's own size",
    "torch": "every LoRA, embedding and checkpoint",
    "safetensors": "weights files of more than 256 MiB",
}
_SHOWN = 6


def check_imports(registry: Registry) -> Iterator[Finding]:
    """Find packages that are installed and cannot be imported, and say what does not run without them."""
    reported: set[str] = set()
    for module, reason in find_broken().items():
        if reason in reported:
            continue  # it fails because an earlier one does
        reported.add(reason)
        what, fix = describe_broken(module, reason)
        yield Finding(level="error", topic="imports", what=f"{what}{_describe_loss(module, registry)}", fix=fix)


def find_broken(modules: tuple[str, ...] = MODULES) -> dict[str, str]:
    """Module → why its import fails; modules that are not installed are left out."""
    return dict(_find_broken(modules, tuple(sys.path)))


@cache
def _find_broken(modules: tuple[str, ...], path: tuple[str, ...]) -> dict[str, str]:
    places = json.dumps(path)
    children = {module: _Child(module, places) for module in modules if _is_installed(module)}
    reasons = {module: child.wait() for module, child in children.items()}
    return {module: reason for module, reason in reasons.items() if reason}


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return True


class _Child:
    """An import in a process of its own; the end of its errors is kept."""

    def __init__(self, module: str, places: str) -> None:
        command = [sys.executable, "-B", "-c", _CODE, places, module]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE)
        self._said = b""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> str:
        """Why the import failed; empty when it did not."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return f"its import does not end within {PATIENCE:g} seconds"
        if code < 0:
            return f"its import ends the process with signal {-code}"
        if code in (0, _DONE):
            return "" if code else "its import ends the process"
        self._reader.join(_GRACE)
        return _find_reason(self._said.decode("utf-8", "replace"))

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while block := os.read(stream.fileno(), _MOST):
                self._said = (self._said + block)[-_MOST:]


def _find_reason(said: str) -> str:
    """The last error of a traceback, with what follows it."""
    lines = said.splitlines()
    starts = [at for at, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception|Interrupt)\b", line)]
    return "\n".join(lines[starts[-1] :] if starts else lines[-1:]).strip() or "no reason given"


def _describe_loss(module: str, registry: Registry) -> str:
    """What does not run, to follow the fault."""
    if module in ESSENTIAL:
        return ""
    names = [
        annotator.spec.id
        for annotator in registry
        if module in {needed.partition(".")[0] for needed in annotator.spec.requires}
    ]
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more annotators" if len(names) > _SHOWN else "")
    lost = [text for text in (_ALSO.get(module, ""), shown) if text]
    return f"; without it do not run: {', '.join(lost)}" if lost else ""
